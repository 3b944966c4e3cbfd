package main

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/mozci/mozci/backfill/server"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/jobtest"
)

// wanted is one backfill of a serverWorld, with its right answer.
type wanted struct {
	label   string
	mode    server.Mode
	culprit int64 // id of the push that broke the label
	id      string
}

// serverWorld is a repository in which one push broke each label. A label ran only on the first
// pushes and on the newest.
type serverWorld struct {
	text   string // the grid of the World
	pushes string // a grid of the same pushes without runs
	tip    string // the newest revision
	span   time.Duration
	wants  []*wanted
}

// newServerWorld makes a world with labels labels. One in three is filled, the others are searched.
// infra is the share of runs that infrastructure ends.
func newServerWorld(seed uint64, labels, pushes int, infra float64) *serverWorld {
	rng := rand.New(rand.NewPCG(seed, 41)) // #nosec G404 -- a seed that can be repeated
	w := &serverWorld{span: time.Duration(pushes) * 10 * time.Minute}
	good := make([]int, labels)
	var text strings.Builder
	fmt.Fprintf(&text, "seed %d\n", seed)
	for i := range labels {
		good[i] = 2 + rng.IntN(3)
		broken := good[i] + 1 + rng.IntN(pushes-good[i]-1)
		x := &wanted{label: fmt.Sprintf("linux64/opt/mochitest-%d", i+1), mode: server.Search, culprit: int64(broken)}
		chance := infra
		if i%3 == 0 {
			x.mode, chance = server.Linear, 0
		}
		w.wants = append(w.wants, x)
		fmt.Fprintf(&text, "truth %s culprit=%d before=0 after=1", x.label, broken)
		if chance > 0 {
			fmt.Fprintf(&text, " infra=%g", chance)
		}
		text.WriteString("\n")
	}
	text.WriteString("push")
	for _, x := range w.wants {
		text.WriteString(" " + x.label)
	}
	text.WriteString("\n")
	bare := "push nothing\n"
	for p := 1; p <= pushes; p++ {
		w.tip = fmt.Sprintf("%04x", 0xa000+p)
		fmt.Fprintf(&text, "%d %s", p, w.tip)
		bare += fmt.Sprintf("%d %s -\n", p, w.tip)
		for _, g := range good {
			switch {
			case p <= g:
				text.WriteString(" pass")
			case p == pushes:
				text.WriteString(" fail")
			default:
				text.WriteString(" -")
			}
		}
		text.WriteString("\n")
	}
	w.text, w.pushes = text.String(), bare
	return w
}

// ci is the world's CI at a time when the whole grid has happened. Triggered runs become visible a
// little later, as with a CI that makes them in the background.
func (w *serverWorld) ci() *jobtest.CI {
	ci := jobtest.NewCI(jobtest.MustParse(w.text), &jobtest.CIOptions{Play: true, Visible: time.Minute})
	ci.Advance(w.span + 2*time.Hour)
	return ci
}

// input is the request for a backfill.
func (w *serverWorld) input(x *wanted) server.Input {
	return server.Input{Label: x.label, Revision: w.tip, Mode: x.mode}
}

// serverRun is a run as the CI reports it.
type serverRun struct {
	ID, Label                    string
	Push                         int64
	Status                       job.Status
	Requested, Started, Finished time.Time
}

func wireRun(j job.Job) serverRun {
	t := j.Times()
	return serverRun{j.ID(), j.Name(), j.Push().ID, j.Status(), t.Requested, t.Started, t.Finished}
}

func (r serverRun) job(p job.Push) job.Job {
	return job.New(job.Fields{
		ID: r.ID, Name: r.Label, Push: p, Kind: job.KindTest, Status: r.Status,
		Times: job.Times{Requested: r.Requested, Started: r.Started, Finished: r.Finished},
	})
}
