package main

import (
	"context"
	"encoding/json"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/trigger"
	"github.com/mozci/mozci/trigger/ledger"
)

// actionJSON is a step of a plan, with what only an action has.
type actionJSON struct {
	Key          string       `json:"key"`
	Label        *string      `json:"label"`
	Push         job.PushRef  `json:"push"`
	Action       string       `json:"action"`
	InTreeAction string       `json:"ci_action"`
	Input        any          `json:"input"`
	Count        int          `json:"count"`
	Why          string       `json:"why"`
	Receipt      *receiptJSON `json:"receipt,omitempty"`
}

type receiptJSON struct {
	IDs   []string         `json:"ids"`
	State job.ReceiptState `json:"state"`
	By    string           `json:"by,omitempty"`
	Link  string           `json:"link,omitempty"`
	Note  string           `json:"note,omitempty"`
}

// action asks for an action of the CI's own.
func (a *app) action(cmd *cobra.Command, t triggerFlags) error {
	switch {
	case t.action == "":
		return usage("--input goes with --action")
	case t.rev == "":
		return usage("--action needs --rev")
	case len(t.labels) > 1 || t.chooses() || t.backfill || t.fromRev != "" || t.delta != 0 || t.backRevisions != 0:
		return usage("--action acts on one push, and on one --label at most")
	case t.times < 1:
		return usage("--times %d: expected 1 or more", t.times)
	}
	if err := t.check(); err != nil {
		return err
	}
	input, err := a.actionInput(t.input)
	if err != nil {
		return err
	}
	p, book, err := a.acting(cmd.Context())
	if err != nil {
		return err
	}
	req := job.Request{Action: t.action, Input: input, Count: t.times, Why: "triggered by " + who()}
	if len(t.labels) == 1 {
		req.Label = t.labels[0]
	}
	if req.Push, err = p.repo.Push(cmd.Context(), t.rev); err != nil {
		return err
	}
	shown := actionJSON{
		Push: req.Push.Ref(), Action: string(trigger.ActionTrigger), InTreeAction: t.action, Input: input,
		Count: t.times,
		Why:   req.Why, Label: orNull(req.Label),
	}
	if !a.json {
		on := ""
		if req.Label != "" {
			on = " on " + req.Label
		}
		a.printf("%s  %s%s\n", a.where(req.Push), t.action, on)
	}
	var failed error
	if a.wantedTo(cmd.Context(), t.actFlags, "Trigger "+t.action+"?") {
		failed = a.act(cmd.Context(), p.act, req, book, &shown)
	} else if !a.json {
		a.printf("Nothing was triggered. To trigger it, add --yes.\n")
	}
	if a.json {
		err := a.printJSON(struct {
			Steps   []actionJSON `json:"steps"`
			Total   int          `json:"total"`
			LeftOut []string     `json:"left_out"`
		}{[]actionJSON{shown}, t.times, []string{}})
		if failed == nil {
			failed = err
		}
	}
	return failed
}

// act triggers the action, and writes down what came of it.
func (a *app) act(ctx context.Context, ci job.Scheduler, req job.Request, l ledger.Ledger, shown *actionJSON) error {
	req, receipt, err := trigger.Act(ctx, ci, req,
		&trigger.RunOptions{Ledger: l, Who: who(), Purpose: "mozci trigger --action"})
	shown.Key = req.Key
	if err != nil {
		return err
	}
	shown.Receipt = &receiptJSON{
		append([]string{}, receipt.IDs...), receipt.State, receipt.By, receipt.Link,
		receipt.Note,
	}
	if !a.json {
		said := "triggered"
		if receipt.State == job.ReceiptAlreadyAsked {
			said = "triggered before"
		}
		a.printf("%s%s\n", said, noted(&receipt))
	}
	return nil
}

// mostInput is how long an action's input may be.
const mostInput = 1 << 20

// actionInput reads a JSON object; nil without a file.
func (a *app) actionInput(file string) (any, error) {
	if file == "" {
		return nil, nil //nolint:nilnil // no input
	}
	in := a.in
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return nil, usage("--input: %v", err)
		}
		defer func() { _ = f.Close() }()
		in = f
	}
	text, err := io.ReadAll(io.LimitReader(in, mostInput+1))
	if err != nil {
		return nil, usage("--input %s: %v", file, err)
	}
	if len(text) > mostInput {
		return nil, usage("--input %s: larger than %d bytes", file, mostInput)
	}
	var out map[string]any
	if err := json.Unmarshal(text, &out); err != nil {
		return nil, usage("--input %s: expected a JSON object: %v", file, err)
	}
	return out, nil
}
