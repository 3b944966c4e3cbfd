package jobtest

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"

	"github.com/mozci/mozci/job"
)

// What the runs of performance jobs measure, and the line in which they say so.

// values are what the runs of a performance job measure: the truth behind them.
type values struct {
	before, after float64 // the means on pushes without and with the break
	noise         float64 // the standard deviation of the normal noise around them
	higher        bool    // is better
	unit          string  // empty for none
}

// mostMeasured bounds what a run can measure, as Perfherder's schema does.
const mostMeasured = 1e12

// values reads what follows the word "values" of a truth: "before=400 after=440 noise=5".
func (p *parser) values(at word, ws []word) (*values, error) {
	v := &values{}
	seen := map[string]bool{}
	for _, w := range ws {
		name, text, _ := strings.Cut(w.text, "=")
		if seen[name] {
			return nil, p.fail(w, "%s is given twice", name)
		}
		seen[name] = true
		switch name {
		case "lower-is-better":
			better, err := strconv.ParseBool(text)
			if err != nil {
				return nil, p.fail(w, "%q: expected lower-is-better=true or lower-is-better=false", w.text)
			}
			v.higher = !better
			continue
		case "unit":
			if err := p.named(w, name, text, &v.unit); err != nil {
				return nil, err
			}
			continue
		}
		into := map[string]*float64{"before": &v.before, "after": &v.after, "noise": &v.noise}[name]
		if into == nil {
			return nil, p.fail(w, "%q: expected before=N, after=N, noise=N, lower-is-better=BOOL or unit=NAME", w.text)
		}
		n, err := strconv.ParseFloat(text, 64)
		if err != nil || !(math.Abs(n) <= mostMeasured) || name == "noise" && n < 0 {
			return nil, p.fail(w, "%q: expected a number up to 1e12, and a noise of 0 or more", w.text)
		}
		*into = n
	}
	if !seen["before"] || !seen["after"] {
		return nil, p.fail(at, "values need before=N and after=N")
	}
	return v, nil
}

// measure draws the value that the next run of the label on the push measures. Like draw it depends
// on the seed, the push, the label and the number of runs, but it uses a random stream of its own:
// whether runs fail stays the same when a truth is given values. nil for a label without values.
func (c *CI) measure(r *repo, p *push, label string) *float64 {
	t, ok := r.truths[label]
	if !ok || t.values == nil {
		return nil
	}
	h := fnv.New64a()
	_, _ = fmt.Fprintf(h, "%s\x00%d\x00%s\x00%d\x00value", r.name, p.ID, label, c.places[p].labels[label])
	rng := rand.New(rand.NewPCG(c.w.seed, h.Sum64())) // #nosec G404 -- a simulation, seeded on purpose
	v := t.values.before
	if t.broken(p.ID) {
		v = t.values.after
	}
	v += t.values.noise * rng.NormFloat64()
	v, _ = strconv.ParseFloat(strconv.FormatFloat(v, 'g', 9, 64), 64) // 9 digits, as harnesses write it
	return &v
}

// value is what the run has measured when it has a status; nil for nothing. A value in the cell
// goes before the truth's, and stays also when the run fails.
func (n *run) value(s job.Status) *float64 {
	v := n.cell.value
	switch {
	case s.Waiting():
		return nil
	case v == nil && s == job.StatusSuccess && !n.cell.noTest:
		v = n.measured
	}
	if v == nil {
		return nil
	}
	out := *v
	return &out
}

// perfherder is the line of the log that Perfherder reads; empty where the run measured nothing.
// For linux64/opt/talos-tp5o the suite is "talos-tp5o".
func (n *run) perfherder() string {
	v := n.value(n.status)
	if v == nil {
		return ""
	}
	type suite struct {
		Name          string   `json:"name"`
		Value         float64  `json:"value"`
		LowerIsBetter bool     `json:"lowerIsBetter"`
		Unit          string   `json:"unit,omitempty"`
		Subtests      []string `json:"subtests"`
	}
	s := suite{Value: *v, LowerIsBetter: true, Subtests: []string{}}
	s.Name = n.label[strings.LastIndexByte(n.label, '/')+1:]
	if t := n.repo.truths[n.label]; t.values != nil {
		s.LowerIsBetter, s.Unit = !t.values.higher, t.values.unit
	}
	line, err := json.Marshal(map[string]any{"framework": map[string]string{"name": "jobtest"}, "suites": []suite{s}})
	if err != nil {
		panic(err) // finite numbers and text are always JSON
	}
	return "PERFHERDER_DATA: " + string(line) + "\n"
}
