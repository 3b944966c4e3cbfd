package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/mozci/mozci/backfill/autopilot"
	"github.com/mozci/mozci/backfill/server"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/jobtest"
	"github.com/mozci/mozci/trigger/ledger"
)

// readAutopilot reads the autopilot's file, in YAML or JSON.
func readAutopilot(name string) (autopilot.Config, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return autopilot.Config{}, usage("--autopilot: %v", err)
	}
	var value any
	if err := yaml.Unmarshal(text, &value); err != nil { // JSON is YAML too
		return autopilot.Config{}, usage("--autopilot %s: %v", name, err)
	}
	if !json.Valid(text) {
		if text, err = json.Marshal(value); err != nil {
			return autopilot.Config{}, usage("--autopilot %s: %v", name, err)
		}
	}
	c, err := autopilot.ParseConfig(text)
	if err != nil {
		return c, usage("--autopilot %s: %v", name, err)
	}
	return c, nil
}

// robot is the autopilot; nil without --autopilot.
func (a *app) robot(
	ctx context.Context, f serveFlags, places server.Places, book ledger.Ledger, w *jobtest.World, ci *jobtest.CI,
) (*autopilot.Robot, error) {
	if f.autopilot == "" {
		return nil, nil
	}
	c, err := readAutopilot(f.autopilot)
	if err != nil {
		return nil, err
	}
	home, err := places.Open(ctx, "")
	if err != nil {
		return nil, err
	}
	p := autopilot.Places{
		CI: home.CI, Ledger: book,
		Repository: func(name string) (job.Repository, error) {
			place, err := places.Open(context.WithoutCancel(ctx), name)
			return place.Repo, err
		},
	}
	var now func() time.Time
	if ci != nil {
		now, p.Repositories = ci.Now, w.Repositories()
	}
	if len(f.projects) > 0 {
		p.Repositories = f.projects
	}
	var store autopilot.Store = autopilot.NewMemory(now)
	if a.db != nil {
		store = autopilot.NewSQL(a.db, a.dialect)
	}
	r, err := autopilot.New(p, store, c, &autopilot.Options{
		Logger: a.log, OnReport: func(_ context.Context, c autopilot.Case) error { return a.report(c) },
	})
	if err != nil {
		return nil, usage("--autopilot %s: %v", f.autopilot, err)
	}
	return r, nil
}

// report prints how a case ended.
func (a *app) report(c autopilot.Case) error {
	if c.Report == nil {
		return nil
	}
	if a.json {
		return a.printJSON(c.Report)
	}
	r := c.Report
	what := fmt.Sprintf("%s of %s", r.Label, r.Repo)
	if r.Signature != "" {
		what += ": " + r.Signature
	}
	a.printf("autopilot: %s: %s (%s, %d red). %s\n", what, r.Outcome, runs(r.Runs), r.RedRuns, r.Why)
	return nil
}
