package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/mozci/mozci/backfill"
	"github.com/mozci/mozci/buildbot"
	"github.com/mozci/mozci/internal/testing/bbtest"
	"github.com/mozci/mozci/job"
)

const (
	masterChanges  = 2500
	masterBuilders = 17
	masterMemory   = 64 << 20
)

// question is what a person asks a master, and the maximum number of requests for it.
type question struct {
	name string
	most int
	ask  func(context.Context, *buildbot.Project) error
}

var masterQuestions = []question{
	{"pushes --rev tip", 3, func(ctx context.Context, p *buildbot.Project) error {
		_, err := p.Pushes(ctx, job.Around("tip", 0, 0))
		return err
	}},
	{"jobs --rev tip", 12, func(ctx context.Context, p *buildbot.Project) error {
		push, err := p.Push(ctx, "tip")
		if err != nil {
			return err
		}
		jobs, err := p.Jobs(ctx, push)
		if err == nil && len(jobs) != masterBuilders {
			err = fmt.Errorf("%d jobs", len(jobs))
		}
		return err
	}},
	{"backfill --max-revisions 30, never good", 12, lastGood("broken for 30", 30, true)},
	{"backfill --max-revisions 30, with holes", 12, lastGood("sometimes", 30, false)},
	{"backfill --max-revisions 1500", 60, lastGood("broken for 1500", 1500, false)},
	{"backfill --max-revisions 1500, never good", 60, lastGood("broken", 1500, true)},
}

func lastGood(label string, most int, never bool) func(context.Context, *buildbot.Project) error {
	return func(ctx context.Context, p *buildbot.Project) error {
		r, err := backfill.Find(ctx, p, p, label, "tip", &backfill.FindOptions{MaxRevisions: most, Times: 2})
		if err == nil && r.NeverGood != never {
			err = errors.New("the wrong answer")
		}
		return err
	}
}

// questions counts the requests that questions cost a master which has run for years. It counts on
// a double, since the number is the same on every machine. Another process asks the questions, so
// that its memory does not include the double's.
func questions(t *testing.T) {
	fmt.Printf("\nbuildbot: what questions cost a master with %d changes, %d builders and %d builds\n\n", masterChanges,
		masterBuilders, masterChanges*masterBuilders)
	d := oldMaster(t)
	fmt.Println("question                                   requests   at most   MiB above the start, at most 64")
	for i, q := range masterQuestions {
		d.Asked()
		out, err := exec.Command(os.Args[0], "buildbot-child", d.URL, strconv.Itoa(i)).CombinedOutput() // #nosec G204 -- this program itself
		if err != nil {
			t.Fatalf("%s: %v\n%s", q.name, err, out)
		}
		above, err := strconv.ParseUint(strings.TrimSpace(string(out)), 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		n := len(d.Asked())
		fmt.Printf("%-41s  %8d   %7d   %.1f\n", q.name, n, q.most, mib(above))
		if n > q.most || above > masterMemory {
			t.Errorf("%s: %d requests, %.1f MiB", q.name, n, mib(above))
		}
	}
	fmt.Println()
}

// questionChild is the process that asks. It prints by how many bytes its heap grew.
func questionChild(url, number string) int {
	i, err := strconv.Atoi(number)
	if err != nil || i < 0 || i >= len(masterQuestions) {
		return fail(fmt.Errorf("no question %q", number))
	}
	c, err := buildbot.New(url, nil)
	if err != nil {
		return fail(err)
	}
	above, _ := peak(func() any {
		p := c.Project("main", nil)
		err = masterQuestions[i].ask(context.Background(), p)
		return p
	})
	if err != nil {
		return fail(err)
	}
	fmt.Println(above)
	return 0
}

// oldMaster has run for years: every builder built every change, and some builders have been
// failing for a long time.
func oldMaster(t *testing.T) *bbtest.Double {
	d := bbtest.NewDouble(t)
	names := []string{"broken for 30", "sometimes", "broken for 1500", "broken"}
	for len(names) < masterBuilders {
		names = append(names, fmt.Sprintf("builder %d", len(names)))
	}
	for _, n := range names {
		d.Builder(n)
	}
	d.Form("force", names, bbtest.Sources("", nil))
	bad := map[int]int{1: 40, 2: 25, 3: 1450, 4: masterChanges}
	for i := range masterChanges {
		d.Change(bbtest.Revision(i), nil)
		left := masterChanges - i
		for b := range masterBuilders {
			results := 0
			if left <= bad[b+1] {
				results = 2
			}
			if b+1 == 2 && left%4 != 1 {
				continue
			}
			d.Ask(bbtest.BuildRequest{
				Builder: b + 1, Results: []int{results},
				Stamps: []bbtest.Row{bbtest.Stamp(bbtest.Revision(i), nil)},
			})
		}
	}
	return d
}
