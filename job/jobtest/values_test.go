package jobtest_test

import (
	"errors"
	"io"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/jobtest"
)

const perfWorld = `
seed 3
truth linux/opt/tp5o culprit=3 values before=400 after=440 noise=5 lower-is-better=false unit=ms
push linux/opt/tp5o
1 a1c0 pass
2 b2d1 pass:v=431.2,pass:no-test
3 c3e2 -
4 d4f3 pass*40,fail
`

// measuredOf is what the runs of a push measured, by their records and by their logs.
func measuredOf(t *testing.T, ci *jobtest.CI, rev string) (values []float64, logs []string) {
	t.Helper()
	p, err := repository(t, ci).Push(t.Context(), rev)
	if err != nil {
		t.Fatal(err)
	}
	jobs, err := ci.Jobs(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	for _, j := range jobs {
		in, err := ci.OpenLog(t.Context(), j, job.LogText)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(in)
		if err != nil {
			t.Fatal(err)
		}
		v := j.Raw().(jobtest.Record).Value
		if (v != nil) != strings.Contains(string(text), "PERFHERDER_DATA: {") {
			t.Errorf("value %v of run %s, and its log %q", v, j.ID(), text)
		}
		if v != nil {
			values = append(values, *v)
			logs = append(logs, string(text))
		}
	}
	return values, logs
}

func TestValues(t *testing.T) {
	ci := jobtest.NewCI(jobtest.MustParse(perfWorld), nil)
	if v, _ := measuredOf(t, ci, "a1c0"); len(v) != 1 || math.Abs(v[0]-400) > 25 {
		t.Errorf("a run without a value in its cell measured %v", v)
	}
	v, logs := measuredOf(t, ci, "b2d1")
	if len(v) != 1 || v[0] != 431.2 {
		t.Errorf("a run with a value in its cell, and one without the test measured %v", v)
	}
	const line = `PERFHERDER_DATA: {"framework":{"name":"jobtest"},"suites":[{"name":"tp5o","value":431.2,` +
		`"lowerIsBetter":false,"unit":"ms","subtests":[]}]}` + "\n"
	if len(logs) != 1 || !strings.HasSuffix(logs[0], line) {
		t.Errorf("logs %q, want %q", logs, line)
	}
	v, _ = measuredOf(t, ci, "d4f3")
	mean, square := 0.0, 0.0
	for _, x := range v {
		mean += x / float64(len(v))
	}
	for _, x := range v {
		square += (x - mean) * (x - mean) / float64(len(v)-1)
	}
	if len(v) != 40 || math.Abs(mean-440) > 3 || math.Abs(math.Sqrt(square)-5) > 2 {
		t.Errorf("%d runs measured %.1f with a deviation of %.1f", len(v), mean, math.Sqrt(square))
	}
}

// What is triggered measures too, and the same in each CI over the world.
func TestValuesOfTriggered(t *testing.T) {
	var first []float64
	for range 2 {
		ci := jobtest.NewCI(jobtest.MustParse(perfWorld), nil)
		p, err := repository(t, ci).Push(t.Context(), "c3e2")
		if err != nil {
			t.Fatal(err)
		}
		request := job.Request{Key: "k", Label: "linux/opt/tp5o", Push: p, Count: 3}
		if _, err = ci.Trigger(t.Context(), request); err != nil {
			t.Fatal(err)
		}
		jobs, err := ci.Jobs(t.Context(), p)
		if err != nil || len(jobs) != 3 || jobs[0].Raw().(jobtest.Record).Value != nil {
			t.Fatalf("%d runs, %v, or they have measured already", len(jobs), err)
		}
		ci.Advance(time.Hour)
		v, _ := measuredOf(t, ci, "c3e2")
		if len(v) != 3 || v[0] == v[1] || math.Abs(v[0]-440) > 25 {
			t.Errorf("measured %v", v)
		}
		if first != nil && (first[0] != v[0] || first[2] != v[2]) {
			t.Errorf("measured %v, and before %v", v, first)
		}
		first = v
	}
}

func TestValuesThatAreNone(t *testing.T) {
	for _, c := range []struct{ truth, want string }{
		{"values before=1", `world:2:19: values need before=N and after=N`},
		{"values before=1 after=x", `world:2:35: "after=x": expected a number`},
		{"values before=1 after=2 after=3", `world:2:43: after is given twice`},
		{"values before=1 after=2 noise=-1", `world:2:43: "noise=-1": expected`},
		{"values before=1 after=1e13", `world:2:35: "after=1e13": expected`},
		{"values before=1 after=NaN", `world:2:35: "after=NaN": expected`},
		{"values before=1 after=2 lower-is-better=maybe", `world:2:43: "lower-is-better=maybe": expected`},
		{"values before=1 after=2 unit=", `world:2:43: unit="": expected a name`},
		{"values before=1 after=2 infra=0.5", `world:2:43: "infra=0.5": expected before=N`},
		{"before=400", `world:2:19: "before=400": expected a probability`},
	} {
		text := "# \ntruth t culprit=1 " + c.truth + "\npush t\n1 a1c0 pass\n"
		_, err := jobtest.ParseWorld("world", strings.NewReader(text))
		if err == nil || !errors.Is(err, job.ErrInvalid) || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", c.truth, err, c.want)
		}
	}
}
