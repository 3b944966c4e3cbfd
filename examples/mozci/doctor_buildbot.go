package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/mozci/mozci/buildbot"
	"github.com/mozci/mozci/job"
)

// buildbot checks a master.
func (d *doctor) buildbot() ([]check, error) {
	client, p := probing(d.base)
	c, err := d.a.master(client)
	if err != nil {
		return nil, err
	}
	return []check{{"buildbot", func(ctx context.Context) examined { return d.master(ctx, c, p) }}}, nil
}

func (d *doctor) master(ctx context.Context, c *buildbot.Client, p *probe) examined {
	a := d.a
	e := examined{url: shownURL(a.buildbotURL), reading: a.ci == "buildbot"}
	if a.acts("buildbot") {
		e.acting = &acting{on: "Buildbot"}
	}
	w := whereabouts{"a Buildbot master", "--buildbot-url"}
	about, err := c.About(ctx)
	switch {
	case denied(err):
		return e.unwelcome(err, "BUILDBOT_USER and BUILDBOT_PASSWORD, BUILDBOT_COOKIE or BUILDBOT_TOKEN")
	case err != nil:
		return e.broken(err, w, p)
	}
	e.reached, e.works, e.as = yes(), true, about.User
	e.state = fmt.Sprintf("reached %s; %s, %s", e.url, buildbotVersion(about), signedIn(e.as))
	e.state += fmt.Sprintf("; %s, %s", plural(about.Builders, "builder"), plural(about.Forms, "force scheduler"))
	e = d.newestChange(ctx, e, c)
	return e.mayForce(about)
}

func buildbotVersion(about buildbot.About) string {
	if about.Version == "" {
		return "it does not tell its version"
	}
	return "Buildbot " + about.Version
}

func signedIn(as string) string {
	if as == "" {
		return "no one is signed in"
	}
	return "signed in as " + as
}

// newestChange adds to a master its newest change, where the changes are the pushes.
func (d *doctor) newestChange(ctx context.Context, e examined, c *buildbot.Client) examined {
	if d.a.ci != "buildbot" || d.a.flags.Changed("hg-url") {
		return e
	}
	tip, err := d.a.buildbotProject(c).Push(ctx, "tip")
	switch {
	case errors.Is(err, job.ErrNotFound), errors.Is(err, job.ErrInvalid):
		e.works = false
		e.state += "; no changes of " + d.a.repo
		e.fixes = append(e.fixes, "name the branch with --repo or --branch, and the codebase with --codebase: "+
			saying(err))
	case err != nil:
		e.works = false
		e.state += "; its changes cannot be read: " + saying(err)
		e.fixes = append(e.fixes, "look at the master's log, or give --hg-url for the pushes")
	default:
		e.state += fmt.Sprintf("; newest change of %s: %d %s", d.a.repo, tip.ID, tip.Short())
	}
	return e
}

// mayForce adds whether whoever is signed in may force builds, as far as the master says it
// before anybody asks.
func (e examined) mayForce(about buildbot.About) examined {
	if e.acting == nil {
		return e
	}
	anonymous := about.User == ""
	switch {
	case about.Denied != nil && anonymous:
		e.acting.why = "no one is signed in"
	case about.Denied != nil:
		e.acting.why = about.User + " may not force builds"
		e.fixes = append(e.fixes, "ask the master's administrator to let "+about.User+
			" force builds, or sign in as somebody who may; see mozci help credentials")
	case anonymous && about.Auth != "NoAuth":
		e.acting.perhaps, e.acting.why = true, "no one is signed in"
	default:
		e.acting.works = true
	}
	if anonymous && e.acting.why != "" {
		e.fixes = append(e.fixes, "to force builds, set BUILDBOT_USER and BUILDBOT_PASSWORD, or BUILDBOT_COOKIE or "+
			"BUILDBOT_TOKEN; the master signs in by "+about.Auth+"; see mozci help credentials")
	}
	return e
}

// unwelcome is what is said of a place that does not take the credentials, which are named
// so.
func (e examined) unwelcome(err error, variables string) examined {
	e.reached, e.works = yes(), false
	e.state = "reached " + e.url + ", which refuses whoever asks: " + saying(err)
	e.fixes = append(e.fixes, "set "+variables+" to an account that it takes; see mozci help credentials")
	if e.acting != nil {
		e.acting.why = "the account is refused"
	}
	return e
}

// selfserve checks BuildAPI and the folder of the status dumps.
func (d *doctor) selfserve() ([]check, error) {
	a := d.a
	client, p := probing(d.base)
	api, err := a.selfserve(client)
	if err != nil {
		return nil, err
	}
	client, dumpProbe := probing(d.base)
	dumps, err := a.selfserve(client)
	if err != nil {
		return nil, err
	}
	return []check{
		{"selfserve", func(ctx context.Context) examined {
			e := examined{url: shownURL(a.selfserveURL), reading: a.ci == "selfserve"}
			if a.acts("selfserve") {
				e.acting = &acting{on: "self-serve"}
			}
			names, err := api.Builders(ctx)
			switch {
			case denied(err):
				return e.unwelcome(err, "SELFSERVE_USER and SELFSERVE_PASSWORD")
			case errors.Is(err, job.ErrNotFound):
				e = e.broken(err, whereabouts{
					"BuildAPI, or does not know the branch " + a.repo,
					"--selfserve-url and --repo",
				}, p)
				return e
			case err != nil:
				return e.broken(err, whereabouts{"BuildAPI", "--selfserve-url"}, p)
			}
			e.reached, e.works, e.as = yes(), true, os.Getenv("SELFSERVE_USER")
			e.state = fmt.Sprintf("reached %s; %s; %s of %s", e.url, signedIn(e.as), plural(len(names), "builder"),
				a.repo)
			if e.acting != nil {
				e.acting.works = true
			}
			return e
		}},
		{"builddata", func(ctx context.Context) examined {
			e := examined{url: shownURL(a.buildDataURL), reading: a.ci == "selfserve"}
			if err := dumps.CheckDumps(ctx); err != nil {
				return e.broken(err, whereabouts{"the folder of the status dumps", "--builddata-url"}, dumpProbe)
			}
			e.reached, e.works = yes(), true
			e.state = "reached " + e.url + ", which has the dump of the last four hours"
			return e
		}},
	}, nil
}
