package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

func (a *app) doctorCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "doctor",
		Short: "Check each service, account and folder that mozci would use, and say what to set",
		Long: `Check each place that a command with these flags would use.

For each place mozci says whether it was reached, as whom it takes you, and what you
lack there: a scope, an account, a folder. Where something is to do, "to fix:" says what
to set. The last line says whether reading works, and whether triggering runs does.

Each place has 30 seconds, all at the same time. Nothing is triggered, and no file is
made: a ledger that is not there yet is left so. See also: mozci help credentials.

Exit status: 0 when all works that reading needs, 1 when something of that does not.
Without credentials reading works; the last line says that acting does not.`,
		Example: `  mozci doctor --world testdata/worlds/permanent.txt
  mozci doctor
  mozci doctor --ci buildbot --buildbot-url http://127.0.0.1:8010 --repo fx-team
  mozci doctor --ci treeherder --trigger-ci taskcluster --repo mozilla-central`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.doctor(cmd.Context()) },
	}
}

// patience is how long the check of a place may take.
const patience = 30 * time.Second

// check is how a place is checked. Its name is there before the place has answered.
type check struct {
	place string
	run   func(ctx context.Context) examined
}

// examined is what was found out about a place.
type examined struct {
	place, url string
	reached    *bool  // nil where nothing was there to be reached, or nobody asked
	works      bool   // what mozci does there works
	unused     bool   // mozci does without it, and need not be told
	reading    bool   // nothing can be read without it
	as         string // who is signed in; empty for nobody
	lacks      []lack // nil where it is not known what is missing
	state      string
	fixes      []string
	acting     *acting // nil for a place where nothing is triggered
}

// lack is what cannot be done for want of scopes.
type lack struct {
	For    string   `json:"for"`
	Scopes []string `json:"scopes"`
}

// acting is whether runs can be triggered by a place: it works, it does not because of
// why, or nobody can tell (perhaps), with the reason.
type acting struct {
	on      string // such as Taskcluster
	works   bool
	perhaps bool
	why     string
}

// symbol is the place's mark in the table.
func (e examined) symbol() string {
	switch {
	case e.unused:
		return coalesced
	case !e.works && (e.reading || e.acting != nil):
		return failed
	case !e.works, len(e.fixes) > 0:
		return machine
	}
	return passed
}

func (a *app) doctor(ctx context.Context) error {
	checks, err := a.checks()
	if err != nil {
		return err
	}
	width := 0
	for _, c := range checks {
		width = max(width, len(c.place))
	}
	if !a.json {
		a.line(cell{text: "  " + padded("place", width) + "  state", style: soft})
	}
	var all []examined
	for e := range examine(ctx, checks) {
		if err := ctx.Err(); err != nil {
			return err
		}
		all = append(all, e)
		if err := a.tellExamined(e, width); err != nil {
			return err
		}
	}
	reading := readingOf(all)
	if !a.json {
		a.printf("\n")
		a.examinedRow(nil, 0, strings.Join(append([]string{reading}, actingOf(all)...), " "))
	}
	if reading != readingWorks {
		return errTold
	}
	return nil
}

// examine checks all places at once, and yields each in its turn.
func examine(ctx context.Context, checks []check) func(yield func(examined) bool) {
	return func(yield func(examined) bool) {
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		done := make([]chan examined, len(checks))
		for i, c := range checks {
			done[i] = make(chan examined, 1)
			go func() {
				e := c.run(ctx)
				e.place = c.place
				done[i] <- e
			}()
		}
		// What does not heed its context, as a folder on a dead server, is not waited for.
		late := time.NewTimer(patience + time.Second)
		defer late.Stop()
		over := false
		for i, c := range checks {
			e := examined{place: c.place, reached: no(), reading: true, state: "no answer within " + patience.String()}
			if !over {
				select {
				case e = <-done[i]:
				case <-late.C:
					over = true
				}
			}
			if over {
				select {
				case e = <-done[i]:
				default:
				}
			}
			if !yield(e) {
				return
			}
		}
	}
}

func yes() *bool { ok := true; return &ok }

func no() *bool { ok := false; return &ok }

func padded(s string, width int) string { return s + strings.Repeat(" ", max(0, width-len(s))) }

// tellExamined prints a place: a row and what to do about it, or a line of JSON.
func (a *app) tellExamined(e examined, width int) error {
	if !a.json {
		a.examinedRow([]cell{mark(e.symbol()), {text: " " + padded(e.place, width) + "  "}}, width+4, e.state)
		for _, f := range e.fixes {
			const toFix = "  to fix: "
			a.examinedRow([]cell{{text: toFix}}, len(toFix), f)
		}
		return nil
	}
	return a.printJSON(struct {
		Place   string  `json:"place"`
		URL     *string `json:"url"`
		Reached *bool   `json:"reached"`
		As      *string `json:"signed_in_as"`
		Lacks   []lack  `json:"scopes_missing"`
		Detail  *string `json:"detail"`
		Fix     *string `json:"fix"`
	}{
		e.place, orNull(e.url), e.reached, orNull(e.as), e.lacks, orNull(e.state), orNull(strings.Join(e.fixes, "; ")),
	})
}

// narrow is the width of a terminal, in columns, below which too little is left beside the
// names of places.
const narrow = 60

// examinedRow prints a text behind some cells. On a terminal its lines are as wide as that,
// and begin under the text; elsewhere a row is one line, which other programs can look for.
func (a *app) examinedRow(lead []cell, indent int, text string) {
	if !terminal(a.out) && os.Getenv("COLUMNS") == "" {
		a.line(append(lead, cell{text: text})...)
		return
	}
	if a.look(a.out).width < narrow {
		indent = min(indent, 4)
	}
	a.wrapped(a.out, lead, strings.Repeat(" ", indent), plain, text)
}

const readingWorks = "Reading works."

// readingOf says whether all works that reading needs.
func readingOf(all []examined) string {
	var broken []string
	for _, e := range all {
		if e.reading && !e.works {
			broken = append(broken, e.place)
		}
	}
	if len(broken) == 0 {
		return readingWorks
	}
	return fmt.Sprintf("Reading does not work: see %s above.", oneAnd(broken))
}

// actingOf says whether runs can be triggered. What is not reached or cannot be written
// down cannot be acted on either.
func actingOf(all []examined) []string {
	var out []string
	for _, e := range all {
		if e.acting == nil || e.acting.on == "" {
			continue
		}
		act := *e.acting
		for _, other := range all { // such as the ledger
			if act.works && other.acting != nil && other.acting.on == "" && !other.acting.works {
				act.works, act.why = false, other.acting.why
			}
		}
		switch {
		case act.works:
			out = append(out, fmt.Sprintf("Acting on %s works.", act.on))
		case act.perhaps:
			out = append(out, fmt.Sprintf("Acting on %s may not: %s.", act.on, act.why))
		default:
			out = append(out, fmt.Sprintf("Acting on %s does not: %s.", act.on, act.why))
		}
	}
	return out
}

// checks are those of the places that a command with these flags would use, in order.
func (a *app) checks() ([]check, error) {
	if a.world != "" {
		return a.worldChecks()
	}
	for _, f := range [][2]string{{"--ci", a.ci}, {"--trigger-ci", cmp.Or(a.triggerCI, a.ci)}} {
		if !slices.Contains(cis, f[1]) {
			return nil, usage("%s %q: expected %s", f[0], f[1], oneOf(cis))
		}
	}
	base, err := a.client()
	if err != nil {
		return nil, err
	}
	d := &doctor{a: a, base: base, cacheDir: a.cacheDir}
	a.cacheDir = "" // nothing is kept of a check
	places, err := d.services()
	if err != nil {
		return nil, err
	}
	local, err := d.local()
	return append(places, local...), err
}

// uses reports whether runs are read from a CI, or triggered on it.
func (a *app) uses(ci string) bool { return a.ci == ci || a.triggerCI == ci }

// acts reports whether runs are triggered on a CI.
func (a *app) acts(ci string) bool { return cmp.Or(a.triggerCI, a.ci) == ci }

// isUsage reports whether an error is wrong usage, which no place has to do with.
func isUsage(err error) bool {
	var wrong *usageError
	return errors.As(err, &wrong)
}
