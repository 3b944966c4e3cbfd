package main

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/mozci/mozci/backfill"
	"github.com/mozci/mozci/job"
)

// complain says an error on standard error: what is wrong, where, and what to do next.
// Before a command has begun no server was asked, and the text is that of the library
// that reads the command line.
func (a *app) complain(err error) {
	head := cell{text: "error:", style: bad}
	if refusal(err) {
		head = mark(machine)
	}
	said := a.messages(err)
	if !a.started {
		said = []string{err.Error()}
	}
	for _, m := range said {
		lead := head
		for line := range strings.SplitSeq(m, "\n") {
			if lead.text != "" {
				lead.text += " "
			}
			a.lineOn(a.err, lead, cell{text: strings.ReplaceAll(line, "\t", "  ")})
			lead = cell{}
		}
	}
}

// refusal reports whether nothing went wrong: the question cannot be asked of these
// pushes, or the answer would cost too much.
func refusal(err error) bool {
	return slices.ContainsFunc([]error{
		job.ErrNoLine, backfill.ErrNotBad, backfill.ErrNotMeasured, backfill.ErrOverBudget,
	}, func(target error) bool { return errors.Is(err, target) })
}

// messages are what an error says, one for each of those that were joined. A message has
// no line break but those of a *job.Error, which are its own, and ours.
func (a *app) messages(err error) []string {
	if e, ok := err.(*job.Error); ok { //nolint:errorlint // this one, not one within it
		return []string{a.inWords(e)}
	}
	if list, ok := err.(interface{ Unwrap() []error }); ok { //nolint:errorlint // as above
		var all, texts []string
		for _, e := range list.Unwrap() {
			all, texts = append(all, a.messages(e)...), append(texts, e.Error())
		}
		if err.Error() == strings.Join(texts, "\n") { // it says no more than they do
			return all
		}
	}
	return []string{job.Visible(err.Error())}
}

// services are the first words of the calls that ask a service: an error of theirs keeps
// the call's name, which says where it happened.
var services = []string{"taskcluster", "treeherder", "pushlog", "buildbot", "selfserve", "pulse", "lando", "ledger"}

// inWords is an error of the library for people. The name of a call of ours would tell
// them nothing, and goes.
func (a *app) inWords(e *job.Error) string {
	var unknown *job.UnknownLabelError
	if errors.As(e, &unknown) {
		return a.unknownLabel(unknown)
	}
	if place, _, _ := strings.Cut(e.Op, "."); slices.Contains(services, place) && !errors.Is(e, job.ErrInvalid) {
		return e.Error()
	}
	text := strings.TrimPrefix((&job.Error{Err: e.Err}).Error(), ": ")
	for _, sentinel := range []error{job.ErrNotFound, job.ErrInvalid} {
		text = strings.ReplaceAll(text, sentinel.Error()+": ", "")
	}
	key := job.Visible(e.Key)
	if key == "-" {
		key = "standard input"
	}
	if key != "" && !strings.Contains(text, key) {
		text = key + ": " + text
	}
	return text
}

// wrongFlag says what is wrong with a flag, and remembers which command's page helps.
func (a *app) wrongFlag(c *cobra.Command, err error) error {
	a.called = strings.TrimPrefix(c.CommandPath()+" ", "mozci ")
	var missing *pflag.NotExistError
	var invalid *pflag.InvalidValueError
	switch {
	case errors.As(err, &missing) && missing.GetSpecifiedShortnames() == "":
		var names []string
		c.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
		return usage("no flag --%s; closest: --%s", missing.GetSpecifiedName(),
			strings.Join(job.Nearest(names, missing.GetSpecifiedName(), 2), ", --"))
	case errors.As(err, &invalid):
		what := map[string]string{
			"int": "a whole number", "int64": "a whole number", "float64": "a number", "bool": "true or false",
			"duration": "a time such as 90m or 24h",
		}[invalid.GetFlag().Value.Type()]
		if what != "" {
			return usage("--%s %q: expected %s", invalid.GetFlag().Name, invalid.GetValue(), what)
		}
	}
	return usage("%v", err)
}

// unknownLabel says which labels there are.
func (a *app) unknownLabel(e *job.UnknownLabelError) string {
	out := fmt.Sprintf("no label %q%s", e.Label, a.onPush())
	if len(e.Near) > 0 {
		out += "\n  closest: " + job.Visible(strings.Join(e.Near, ", "))
	}
	rev, command := a.flag("rev"), "mozci labels"+a.placeFlags()
	if rev != "" {
		command += " --rev " + quoted(rev)
	}
	return out + "\n  all labels: " + command
}

// whereFlags say which services and which repository a command is about.
var whereFlags = []string{
	"world", "ci", "trigger-ci", "repo", "branch", "codebase", "root-url", "trust-domain", "project", "hg-url",
	"lando-url", "treeherder-url", "buildbot-url", "selfserve-url", "builddata-url", "replay",
}

// placeFlags are the flags of this call that another command about the same thing needs.
// A URL is shown without its password.
func (a *app) placeFlags() string {
	var out strings.Builder
	for _, name := range whereFlags {
		if a.flags != nil && a.flags.Changed(name) {
			out.WriteString(" --" + name + " " + quoted(withoutPassword(a.flag(name))))
		}
	}
	return out.String()
}

// givenFlag is a flag of this call as it was typed, or nearly so: see withoutPassword.
type givenFlag struct{ name, text string }

// givenFlags are the flags of this call, in the order in which they were typed.
func givenFlags(flags *pflag.FlagSet) []givenFlag {
	var out []givenFlag
	defer func(sorted bool) { flags.SortFlags = sorted }(flags.SortFlags)
	flags.SortFlags = false
	flags.Visit(func(f *pflag.Flag) {
		values := []string{f.Value.String()}
		if list, ok := f.Value.(pflag.SliceValue); ok {
			values = list.GetSlice()
		}
		for _, v := range values {
			text := " --" + f.Name
			switch {
			case f.Value.Type() != "bool":
				text += " " + quoted(withoutPassword(v))
			case v != "true":
				text += "=" + v
			}
			out = append(out, givenFlag{f.Name, text})
		}
	})
	return out
}

// again is what to type behind the name of this command for the same question: the link
// that was pasted, and the flags that were given but for those that are left out.
func (a *app) again(without ...string) string {
	var out strings.Builder
	for _, f := range a.given {
		if !slices.Contains(without, f.name) {
			out.WriteString(f.text)
		}
	}
	if a.pasted != "" {
		out.WriteString(" " + quoted(a.pasted))
	}
	return out.String()
}

// withoutPassword is a URL without the user and the password in it, and any other text
// as it is.
func withoutPassword(text string) string {
	u, err := url.Parse(text)
	switch {
	case err != nil, u.Opaque != "" && strings.Contains(text, "@"):
		return "URL"
	case u.User == nil:
		return text
	}
	u.User = nil
	return u.String()
}

// onPush is the push that a command is about, in a sentence.
func (a *app) onPush() string {
	rev := a.flag("rev")
	if rev == "" {
		return ""
	}
	out := " on push " + job.Visible(rev)
	if a.opened != nil && a.opened.repo != nil {
		out += " of " + a.opened.repo.Name()
	}
	return out
}

// flag is the value of a flag of the command that runs; empty where it has none.
func (a *app) flag(name string) string {
	if a.flags == nil {
		return ""
	}
	if f := a.flags.Lookup(name); f != nil {
		return f.Value.String()
	}
	return ""
}
