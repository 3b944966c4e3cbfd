package jobtest

import (
	"fmt"
	"strings"

	"github.com/mozci/mozci/job"
)

// How a report writes calls and answers, so that a reader can make the same call: "Jobs(push 12 of
// autoland, "linux64/opt/build")".

// call is a call as a report writes it: the method, and what it was called with except
// for the context, such as
//
//	Jobs(push 12 of autoland, "linux64/opt/build")
func call(method string, args ...any) string {
	texts := make([]string, len(args))
	for i, a := range args {
		texts[i] = argument(a)
	}
	return method + "(" + strings.Join(texts, ", ") + ")"
}

// labelled is a call of Jobs or Catalog with labels.
func labelled(method string, p job.Push, labels []string) string {
	args := []any{p}
	for _, l := range labels {
		args = append(args, l)
	}
	return call(method, args...)
}

// argument is one argument of a call: a push by its id and repository, a range and a request in
// words, and everything else in quotes.
func argument(a any) string {
	switch a := a.(type) {
	case job.Push:
		return pushText(a)
	case job.Range:
		return rangeText(a)
	case job.Request:
		return fmt.Sprintf("%s of %q on %s, key %q", count(a.Count, "run"), a.Label, pushText(a.Push), a.Key)
	}
	return fmt.Sprintf("%q", a)
}

func pushText(p job.Push) string { return fmt.Sprintf("push %d of %s", p.ID, p.Repo) }

// rangeText is a range in the words of the function that makes it: "ids 17 to 20", or "2 before and
// 0 after a1c0b2d1e3f4". A range that is given in two ways has both.
func rangeText(r job.Range) string {
	var out []string
	if r.From != "" || r.To != "" {
		out = append(out, fmt.Sprintf("revisions %.12s to %.12s", r.From, r.To))
	}
	if r.FirstID != 0 || r.LastID != 0 {
		out = append(out, fmt.Sprintf("ids %d to %d", r.FirstID, r.LastID))
	}
	if !r.Since.IsZero() || !r.Until.IsZero() {
		const layout = "2006-01-02 15:04:05"
		out = append(out, fmt.Sprintf("dates %s to %s", r.Since.UTC().Format(layout), r.Until.UTC().Format(layout)))
	}
	if r.Center != "" || r.Before != 0 || r.After != 0 {
		out = append(out, fmt.Sprintf("%d before and %d after %.12s", r.Before, r.After, r.Center))
	}
	if len(out) == 0 {
		out = append(out, "an empty range")
	}
	if r.Full {
		out = append(out, "in full")
	}
	return strings.Join(out, ", ")
}

// count is a number with its noun: "1 run", "2 runs".
func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// listed is how many things a report lists before it says "and 3 more".
const listed = 10

// list is a list of things in a report; "nothing" for none.
func list(things []string) string {
	if len(things) == 0 {
		return "nothing"
	}
	rest := ""
	if len(things) > listed {
		things, rest = things[:listed], fmt.Sprintf(" and %d more", len(things)-listed)
	}
	return strings.Join(things, ", ") + rest
}

// jobsText lists jobs.
func jobsText(jobs []job.Job) string {
	var out []string
	for _, j := range jobs {
		out = append(out, fmt.Sprintf("job %s of %q", j.ID(), j.Name()))
	}
	return list(out)
}

// pushesText lists pushes.
func pushesText(pushes []job.Push) string {
	var out []string
	for _, p := range pushes {
		out = append(out, fmt.Sprintf("%d (%s)", p.ID, p.Short()))
	}
	return list(out)
}

// labelsText lists the labels of a catalog.
func labelsText(entries []job.Runnable) string {
	var out []string
	for _, e := range entries {
		out = append(out, fmt.Sprintf("%q", e.Label))
	}
	return list(out)
}

// with is what a call returned, and its error where it had one.
func with(answer string, err error) string {
	if err != nil {
		return fmt.Sprintf("%s and the error %q", answer, err)
	}
	return answer
}
