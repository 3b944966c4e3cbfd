package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/taskcluster"
)

// skewed is how far this machine's clock may be off before it is worth saying: signatures
// have the time, and services refuse those of a quarter of an hour.
const skewed = time.Minute

// soon is how long temporary credentials should last for a search to end with them.
const soon = time.Hour

// signIn says how credentials are had.
const signIn = "set TASKCLUSTER_CLIENT_ID and TASKCLUSTER_ACCESS_TOKEN, which taskcluster signin prints; " +
	"see mozci help credentials"

// unsign says how it is read without credentials.
const unsign = "sign in again with taskcluster signin, or unset TASKCLUSTER_CLIENT_ID, TASKCLUSTER_ACCESS_TOKEN and " +
	"TASKCLUSTER_CERTIFICATE to read without credentials"

// taskcluster checks a deployment: that it answers, as whom it takes the caller, that it
// has the project, and which scopes acting there takes.
func (d *doctor) taskcluster(ctx context.Context) examined {
	a := d.a
	client, p := probing(d.base)
	root, opts, credsErr := a.deployment(client)
	e := examined{url: shownURL(cmp.Or(root, taskcluster.FirefoxCI)), reading: a.ci == "taskcluster"}
	if a.acts("taskcluster") {
		e.acting = &acting{on: "Taskcluster"}
	}
	if credsErr == nil {
		credsErr = expired(opts.Credentials)
	}
	if credsErr != nil {
		opts.Credentials = nil // whether the deployment is there can be asked without
	}
	w := whereabouts{"a Taskcluster deployment", "--root-url or TASKCLUSTER_ROOT_URL"}
	if opts.ProxyURL != "" {
		e.url = shownURL(opts.ProxyURL)
		w.flag = "TASKCLUSTER_PROXY_URL"
	}
	c, err := taskcluster.New(root, &opts)
	if err != nil {
		return e.broken(err, w, nil)
	}
	scopes, err := c.CurrentScopes(ctx)
	known := err == nil
	switch {
	case untold(err): // who is signed in; only the scopes are not told
	case denied(err):
		return e.notTaken(err, opts.Credentials, p)
	case err != nil:
		return e.broken(err, w, p)
	}
	e.reached, e.works = yes(), true
	e = e.signed(opts)
	if credsErr != nil {
		return e.badCredentials(credsErr)
	}
	e = e.clock(p.skew(), a.replay != "")
	rights, err := a.taskclusterProject(c).Rights(ctx, d.newest.wait(ctx)...)
	if err != nil {
		return e.without(err, w, p)
	}
	e.state += "; has tasks under " + rights.Place
	if !known {
		return e.unknownScopes()
	}
	return e.may(rights, scopes, opts.ProxyURL != "")
}

// expired is why temporary credentials are of no use now.
func expired(c *taskcluster.Credentials) error {
	if c == nil {
		return nil
	}
	end, err := c.Expires()
	if err == nil && !end.IsZero() && time.Now().After(end) {
		err = fmt.Errorf("%w: the temporary credentials of %s expired at %s", job.ErrDenied, c.ClientID,
			end.Format(time.RFC3339))
	}
	return err
}

// untold reports whether the deployment takes the caller, and does not tell which scopes
// that is.
func untold(err error) bool {
	var answered *taskcluster.Error
	return errors.As(err, &answered) && answered.Status == http.StatusForbidden && answered.Code == "InsufficientScopes"
}

// notTaken is a deployment that does not take the credentials, for reading neither.
func (e examined) notTaken(err error, creds *taskcluster.Credentials, p *probe) examined {
	var answered *taskcluster.Error
	if creds == nil || !errors.As(err, &answered) || answered.Code == "" {
		return e.broken(err, whereabouts{"a Taskcluster deployment", "--root-url or TASKCLUSTER_ROOT_URL"}, p)
	}
	e.reached = yes()
	e.state = fmt.Sprintf("reached %s, which does not take the credentials of %s: %s", e.url, creds.ClientID,
		answered.Message)
	if answered.ClockOff != 0 {
		e.fixes = append(e.fixes, clockFix(answered.ClockOff))
	} else {
		e.fixes = append(e.fixes, unsign)
	}
	if e.acting != nil {
		e.acting.why = "the credentials are not taken"
	}
	return e
}

// badCredentials is a deployment that is there, and credentials with which nothing is
// asked of it.
func (e examined) badCredentials(err error) examined {
	e.works, e.as = false, ""
	e.state = "reached " + e.url + ", but nothing can be asked with these credentials: " + saying(err)
	e.fixes = append(e.fixes, unsign)
	if e.acting != nil {
		e.acting.why = "the credentials cannot be used"
	}
	return e
}

// signed adds who is signed in, and for how long.
func (e examined) signed(opts taskcluster.Options) examined {
	e.state = "reached " + e.url
	switch {
	case opts.ProxyURL != "":
		e.state += "; the proxy signs, with the scopes of the task"
		return e
	case opts.Credentials == nil:
		e.state += "; no one is signed in"
		return e
	}
	e.as = opts.Credentials.ClientID
	e.state += "; signed in as " + e.as
	if end, err := opts.Credentials.Expires(); err == nil && !end.IsZero() {
		e.state += " until " + end.Format(time.RFC3339)
		if time.Until(end) < soon {
			e.fixes = append(e.fixes, "the credentials expire at "+end.Format(time.RFC3339)+
				": sign in again with taskcluster signin before a long search")
		}
	}
	return e
}

// clock adds what to do about a clock that is off. What is played back has old times.
func (e examined) clock(ahead time.Duration, replay bool) examined {
	if !replay && ahead.Abs() > skewed {
		e.fixes = append(e.fixes, clockFix(ahead))
	}
	return e
}

func clockFix(ahead time.Duration) string {
	way := "ahead of"
	if ahead < 0 {
		way = "behind"
	}
	return fmt.Sprintf("set this machine's clock: it is %s %s the deployment's, which refuses signatures that are 15 "+
		"minutes off", ahead.Abs().Round(time.Second), way)
}

// without is a deployment in which the project's tasks were not found, or could not be
// read.
func (e examined) without(err error, w whereabouts, p *probe) examined {
	if !errors.Is(err, job.ErrNotScheduled) {
		was := e.state
		e = e.broken(err, w, p)
		e.state = was + "; its tasks cannot be read: " + saying(err)
		return e
	}
	e.works = false
	e.state += "; " + saying(err)
	e.fixes = append(e.fixes, "name the project as Taskcluster does with --project, and its trust domain with "+
		"--trust-domain; or check --repo")
	if e.acting != nil {
		e.acting.why = "no tasks of the project were found"
	}
	return e
}

// unknownScopes is a deployment that does not tell the caller's scopes.
func (e examined) unknownScopes() examined {
	e.state += "; it does not tell which scopes that is: auth:current-scopes is missing"
	if e.acting != nil {
		e.acting.perhaps, e.acting.why = true, "the scopes are not known"
	}
	return e
}

// may adds what the scopes suffice for. Only what mozci does by itself is told to people:
// other actions may be nobody's business but the release team's, and are in the JSON.
func (e examined) may(rights *taskcluster.Rights, scopes []string, proxy bool) examined {
	e.lacks = []lack{}
	signed := e.as != "" || proxy
	who := cmp.Or(e.as, "a client")
	others := 0
	for _, r := range rights.Rights {
		missing := r.Missing(scopes)
		if len(missing) > 0 {
			e.lacks = append(e.lacks, lack{purpose(r), missing})
		}
		if r.Kind == taskcluster.RightTrigger && e.acting != nil {
			e = e.triggers(r, missing, signed)
		}
		switch {
		case r.Kind == taskcluster.RightAction && len(missing) > 0:
			others += len(r.Actions)
		case signed && len(missing) > 0:
			e.fixes = append(e.fixes, fmt.Sprintf("for %s, ask who manages %s to grant %s %s", purpose(r), e.url, who,
				listed(missing)))
		case r.Barred != nil && r.Kind == taskcluster.RightTrigger:
			e.fixes = append(e.fixes, saying(r.Barred))
		}
		if !signed && r.Kind == taskcluster.RightTrigger && len(missing) > 0 {
			e.fixes = append(e.fixes, "to trigger runs, "+signIn+"; the client needs "+listed(missing))
		}
	}
	if signed && others > 0 {
		e.state += fmt.Sprintf("; %s more cannot be fired (--json names them)", plural(others, "in-tree action"))
	}
	return e
}

// triggers is whether runs can be triggered.
func (e examined) triggers(r taskcluster.Right, missing []string, signed bool) examined {
	switch {
	case len(missing) > 0 && !signed:
		e.acting.why = "no one is signed in"
	case len(missing) > 0:
		e.acting.why = "missing " + listed(missing)
	case errors.Is(r.Barred, job.ErrDenied), errors.Is(r.Barred, job.ErrRefused):
		e.acting.why = saying(r.Barred)
	case r.Barred != nil:
		e.acting.perhaps, e.acting.why = true, saying(r.Barred)
	default:
		e.acting.works = true
	}
	return e
}

// purpose is what a right is for.
func purpose(r taskcluster.Right) string {
	switch r.Kind {
	case taskcluster.RightTrigger:
		return "triggering runs"
	case taskcluster.RightCopy:
		return "running jobs again on pushes so old that their hooks are gone"
	case taskcluster.RightCancel:
		return "cancelling runs"
	}
	return "trigger --action " + strings.Join(r.Actions, ", ")
}

// listed are scopes for people: all of up to two, and else the first and how many more.
func listed(scopes []string) string {
	if len(scopes) > 2 {
		return fmt.Sprintf("%s and %d more scopes (--json names them)", scopes[0], len(scopes)-1)
	}
	return strings.Join(scopes, " and ")
}

// shownURL is a URL without what is nobody's business: its user, password and parameters.
func shownURL(text string) string {
	u, err := url.Parse(text)
	if err != nil || u.Opaque != "" || u.Host == "" { // user:password@host without a scheme is one
		return "the URL given"
	}
	u.User, u.RawQuery, u.Fragment = nil, "", ""
	return strings.TrimSuffix(u.String(), "/")
}
