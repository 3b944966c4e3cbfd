package server

import (
	"fmt"
	"strconv"
	"strings"
)

// What a person can do with a backfill, by its state: the button with its dialog (actsOf), what
// else may help when there is no answer (insteadOf), and the same as a command. Nothing here does
// anything; each is a form, a link or a text.

// actsView is what the page offers to do in a state.
type actsView struct {
	Main   *actView // triggers something; nil for nothing
	Cancel *actView
	Copy   bool
	Change string // to the form that changes the request
}

// actView is a form with one button, whose words say what it does. Fields are its hidden fields.
// Action is the path it is sent to.
type actView struct {
	Action string
	Button string
	Fields []fieldView
	// Ask is what a dialog asks before the act; Kept says what stays as it is.
	Ask, Kept string
}

type fieldView struct{ Name, Value string }

// more is by how many runs the page raises the budget of a search that has spent it.
const more = 20

// actsOf are the buttons of a state. Buttons that start something send the whole request again.
func actsOf(b Backfill) actsView {
	v := actsView{Copy: b.Culprit != nil || len(b.Credible) > 0 || b.State == Done || b.State == Undecided}
	in := inputOf(b.Ask)
	switch b.State {
	case Planned:
		runs := planned(b)
		v.Main = actOf("Trigger "+count(runs, "run"), in)
		v.Main.Ask = "Trigger " + count(runs, "run") + "?"
		if n := pushesOf(b.Plan); n > 0 {
			v.Main.Ask = fmt.Sprintf("Trigger %s on %s?", count(runs, "run"), count(n, "push"))
		}
		v.Main.Kept = "mozci waits for the results and says which push broke the job."
		switch {
		case b.Ask.Mode == Search:
			v.Main.Button += " and search on"
			v.Main.Kept = fmt.Sprintf("mozci goes on, round after round, until it knows the push, with at most %s.",
				count(b.Ask.MaxRuns, "run"))
		case runs == 0:
			v.Main = nil
		}
		v.Change = "#change"
	case Waiting, Running:
		v.Cancel = cancelOf(b)
	case Undecided:
		if b.Ask.Mode != Search {
			break
		}
		v.Main = goOn(b, in)
	case Cancelled:
		v.Main = actOf("Start again", in)
		v.Main.Ask, v.Main.Kept = "Start this backfill again?",
			"All results so far count; only what is missing is triggered."
	case Failed:
		v.Main = actOf("Try again", in)
		v.Main.Ask, v.Main.Kept = "Try again?", "Runs that were triggered count, so nothing is triggered twice."
	case Done, Refused:
	}
	return v
}

// goOn is the button that goes on with a search whose budget is spent, as a new backfill. The runs
// so far are results for the new one and do not count against its budget, so all of that can be
// triggered. It is larger than the last budget, because the same request within a day would only
// return this backfill. At the maximum there is no button.
//
//	100 runs  → Add up to 120 runs
//	990 runs  → Add up to 1,000 runs
//	1000 runs → nil
func goOn(b Backfill, in Input) *actView {
	most := min(b.Ask.MaxRuns+more, mostMaxRuns)
	if most <= b.Ask.MaxRuns {
		return nil
	}
	in.MaxRuns = &most
	a := actOf("Add up to "+count(most, "run"), in)
	a.Ask, a.Kept = "Go on with at most "+count(most, "more run")+"?", "All results so far count."
	return a
}

// actOf is a button that starts a backfill. A dry run's request becomes one that acts.
func actOf(button string, in Input) *actView {
	in.DryRun = false
	return &actView{Action: "/backfills", Button: button, Fields: fieldsOf(in)}
}

// cancelOf is the button that cancels, with the number of runs that this stops and of results that
// stay.
func cancelOf(b Backfill) *actView {
	open, kept := 0, 0
	for _, r := range b.Rows {
		for _, run := range r.Runs {
			switch {
			case run.Ours && (run.Result == UnderWay || run.Result == Queued):
				open++
			case run.Result == Passed || run.Result == Failure:
				kept++
			}
		}
	}
	a := &actView{Action: "/backfills/" + b.ID + "/cancel", Button: "Cancel"}
	a.Ask = "Cancel this backfill?"
	a.Kept = "Nothing more is triggered."
	if open > 0 {
		a.Button, a.Ask = "Cancel "+count(open, "run"), "Cancel "+count(open, "run")+"?"
		a.Kept = "mozci stops the runs that it triggered and triggers nothing more. Runs of other people go on."
	}
	if kept > 0 {
		a.Kept += " " + upper(count(kept, "result")) + " " + are(kept) + " kept."
	}
	return a
}

// insteadView is one more thing that people can do: a form, a link, or a command.
type insteadView struct {
	Text    string
	Act     *actView
	Link    string
	Linked  string // the words of the link
	Command string
}

// insteadOf says what else people can do when nothing was triggered or nothing was found.
func insteadOf(b Backfill) []insteadView {
	in := inputOf(b.Ask)
	switch {
	case b.State == Undecided && b.Ask.Mode != Search:
		in.Mode, in.Times, in.Most = Search, nil, nil
		return []insteadView{{
			Text: "A search can find the push even when the job is flaky: " +
				"round after round it runs the most informative pushes.",
			Link: "/backfill?" + queryOf(in), Linked: "Show its plan",
		}}
	case b.State != Refused && b.State != Failed:
		return nil
	}
	switch b.Reason {
	case NoLine:
		return []insteadView{{
			Text:    "To run the job again on this push, in a terminal:",
			Command: strings.Join(append([]string{"mozci", "trigger"}, append(where(b.Ask), "--times", "5")...), " "),
		}}
	case NeverGreen:
		most := min(max(2*in.most(), 20), mostLooked)
		if most <= in.most() {
			return nil // it has looked back as far as it may
		}
		in.Most = &most
		return []insteadView{{
			Text: "It may have passed earlier than that.",
			Link: "/backfill?" + queryOf(in), Linked: fmt.Sprintf("Look back %d pushes", most),
		}}
	case Expired:
		return []insteadView{{Text: "Start from a newer failure of the same job.", Link: "/", Linked: "Paste its link"}}
	case NotFailure:
		return []insteadView{{
			Text: "If another run of the job failed, start from that run. " +
				"When two runs on one push end differently, the job is flaky.",
			Link: "/", Linked: "Paste its link",
		}}
	case Offspring:
		return []insteadView{{
			Text: "Start from the failure that came first: a run that mozci triggered is already part of a backfill.",
			Link: "/backfills?" + labelQuery(b.Ask), Linked: "Earlier backfills of this job",
		}}
	case NotFound:
		return []insteadView{{
			Text: "Check the link, and whether the job was renamed.", Link: "/", Linked: "Start from another link",
		}}
	case Denied:
		return []insteadView{{Text: "Sign in with credentials that have the missing scopes, then try again."}}
	case CIRefused, Unavailable:
		return []insteadView{{Text: "This is often temporary. Try again: nothing is triggered twice."}}
	case Malformed:
		return []insteadView{{
			Text: "The service, or something between it and mozci, has changed. Tell the administrator.",
		}}
	case Internal:
		return []insteadView{{Text: "Tell the administrator the time: the log has the reason."}}
	}
	return nil
}

// where are the program's arguments that name the job, with 12 digits of the revision.
func where(a Ask) []string {
	out := []string{"--repo", quote(a.Project), "--label", quote(a.Label), "--rev", quote(short(a.Revision))}
	if a.Test != "" {
		out = append(out, "--test", quote(string(a.Test)))
	}
	return out
}

// commandOf is the command that does the same in a terminal.
//
//	mozci backfill --repo autoland --label linux64/opt/xpcshell-1 --rev 0123456789ab --times 1 --max-revisions 20
func commandOf(b Backfill) string {
	a := b.Ask
	words := []string{"mozci", "backfill"}
	if a.Mode == Search {
		words[1] = "culprit"
	}
	words = append(words, where(a)...)
	switch a.Mode {
	case Search:
		if a.Batch > 0 {
			words = append(words, "--batch", strconv.Itoa(a.Batch))
		}
		if a.MaxRuns > 0 {
			words = append(words, "--max-runs", strconv.Itoa(a.MaxRuns))
		}
	case Linear:
		if a.Times > 0 {
			words = append(words, "--times", strconv.Itoa(a.Times))
		}
		if a.Most > 0 {
			words = append(words, "--max-revisions", strconv.Itoa(a.Most))
		}
	}
	if a.Follow {
		words = append(words, "--follow-merges")
	}
	return strings.Join(words, " ")
}

// quote quotes a word for a shell, where it needs quotes.
//
//	linux64/opt → linux64/opt
//	a b         → 'a b'
//	it's        → 'it'\''s'
func quote(s string) string {
	s = brief(s, 300)
	safe := s != ""
	for _, r := range s {
		safe = safe && (r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' ||
			strings.ContainsRune("_-./:=@+,", r))
	}
	if safe {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
