package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/mozci/mozci/backfill/server"
	"github.com/mozci/mozci/job/jobtest"
	"github.com/mozci/mozci/taskcluster"
	"github.com/mozci/mozci/trigger/monitor"
)

// serveFlags are those of mozci serve.
type serveFlags struct {
	listen, publicURL  string
	tokens, sessionKey string
	reads              string
	origins, projects  []string
	autopilot          string
	pace               time.Duration
}

func (a *app) serveCommand() *cobra.Command {
	var f serveFlags
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the backfill service and its page",
		Long: `Run the backfill service: an API, and a page for people. Paste the link of a job
that failed; the service finds the last good run, triggers what is missing, and
says which push broke the job.

To trigger runs, a caller needs a token from the file --tokens or, on Taskcluster,
credentials of the deployment, sent by Hawk; the caller's own scopes must allow
what the service does. --new-token NAME makes a token. The service keeps its work
in the database of --ledger, which several services can share.

With --world the service plays the history from its first push on and prints a
token; nothing outlives the program.`,
		Example: `  mozci serve --world testdata/worlds/permanent.txt
  mozci serve --tokens tokens.txt --ledger postgres://…`,
		Args: noArgs,
	}
	name := ""
	l := cmd.Flags()
	l.StringVar(&f.listen, "listen", "127.0.0.1:8787", "the `address` to listen on")
	l.StringVar(&f.publicURL, "public-url", "", "the `URL` by which people know the service, if it differs from "+
		"--listen")
	l.StringVar(&f.tokens, "tokens", "", "a `file` with a line for each token: a name, its hash, and scopes if "+
		"it does "+
		"not have all")
	l.StringVar(&name, "new-token", "", "print a new token, and its line for --tokens under this `name`")
	l.StringVar(&f.sessionKey, "session-key", "", "a `file` with 32 bytes or more that sign the page's sessions "+
		"(default: sessions end with the program)")
	l.StringVar(&f.reads, "reads", "open", "who may read: open for everyone, or closed")
	l.StringArrayVar(&f.origins, "origin", nil, "a `site` whose scripts may call the API, such as "+
		"https://treeherder.mozilla.org; can be repeated")
	l.StringArrayVar(&f.projects, "serve", nil, "the `name` of a repository to serve; can be repeated (default: every "+
		"repository that the source knows)")
	l.StringVar(&f.autopilot, "autopilot", "",
		"let the service act by itself by the rules in this `file`, YAML or JSON; a dry run unless its mode is act")
	l.DurationVar(&f.pace, "pace", 100*time.Millisecond, "with --world, the longest `time` until the next change")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if name != "" {
			return a.newToken(name)
		}
		return a.serve(cmd.Context(), f)
	}
	return cmd
}

// newToken prints a token, and the line that lets it in.
func (a *app) newToken(name string) error {
	token := server.NewToken()
	line := name + " " + server.HashToken(token)
	if _, err := server.ParseTokens([]byte(line + "\n")); err != nil {
		return usage("--new-token: %v", err)
	}
	if a.json {
		return a.printJSON(struct {
			Token string `json:"token"`
			Line  string `json:"line"`
		}{token, line})
	}
	a.printf("token  %s\nline   %s\n", token, line)
	return nil
}

// serve runs the service until the program is stopped.
func (a *app) serve(ctx context.Context, f serveFlags) error {
	if f.reads != "open" && f.reads != "closed" {
		return usage("--reads %q: expected open or closed", f.reads)
	}
	if f.pace < 0 {
		return usage("--pace %s: expected 0 or more", f.pace)
	}
	book, err := a.ledger(ctx)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	w, ci, err := a.playing()
	if err != nil {
		return err
	}
	places, err := a.servePlaces(f.projects, w, ci)
	if err != nil {
		return err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", f.listen)
	if err != nil {
		return usage("--listen %s: %v", f.listen, err)
	}
	defer func() { _ = listener.Close() }()
	at := listener.Addr().String()
	token := ""
	if f.tokens == "" && a.world != "" {
		token = server.NewToken()
		if f.tokens, err = demoTokens(token); err != nil {
			return err
		}
		defer func() { _ = os.RemoveAll(filepath.Dir(f.tokens)) }()
	}
	o, err := a.serverOptions(f, at)
	if err != nil {
		return err
	}
	o.Ledger = book
	robot, err := a.robot(ctx, f, places, book, w, ci)
	if err != nil {
		return err
	}
	if robot != nil {
		o.Robot = robot
	}
	store := a.serverStores(o, ci)
	s, err := server.New(places, store, o)
	if err != nil {
		return err
	}
	a.welcome(f, at, token)
	parts := []func(context.Context) error{s.Run}
	if robot != nil {
		parts = append(parts, robot.Run)
	}
	if ci != nil {
		parts = append(parts, func(ctx context.Context) error { return ci.Play(ctx, paced(f.pace)) })
	}
	return a.run(ctx, s, listener, parts)
}

// playing is the world, and its CI; nil without --world.
func (a *app) playing() (*jobtest.World, *jobtest.CI, error) {
	if a.world == "" {
		return nil, nil, nil
	}
	w, err := a.readWorld()
	if err != nil {
		return nil, nil, err
	}
	return w, jobtest.NewCI(w, &jobtest.CIOptions{Play: true}), nil
}

// serverStores are what is kept: all in the database of the ledger or, in a world without
// one, in memory and by the world's clock.
func (a *app) serverStores(o *server.Options, ci *jobtest.CI) server.Store {
	if a.db == nil {
		var now func() time.Time
		if ci != nil {
			now = ci.Now
		}
		o.Monitor = monitor.NewMemory(now)
		return server.NewMemory(now)
	}
	o.Monitor = monitor.NewSQL(a.db, a.dialect)
	return server.NewSQL(a.db, a.dialect)
}

// demoTokens is a file with one token, in a folder of its own.
func demoTokens(token string) (string, error) {
	dir, err := os.MkdirTemp("", "mozci-serve-")
	if err != nil {
		return "", err
	}
	file := filepath.Join(dir, "tokens")
	return file, os.WriteFile(file, []byte("demo "+server.HashToken(token)+"\n"), 0o600)
}

// serverOptions are what the flags say of the service.
func (a *app) serverOptions(f serveFlags, at string) (o *server.Options, err error) {
	o = &server.Options{Logger: a.log}
	d := &o.Door
	if a.db != nil {
		d.Nonces = server.NewSQLNonces(a.db, a.dialect)
	}
	d.OpenReads, d.Origins, d.PublicURL, d.Hosts = f.reads == "open", f.origins, f.publicURL, server.LoopbackHosts(at)
	if f.sessionKey != "" {
		if d.SessionKey, err = os.ReadFile(f.sessionKey); err != nil {
			return nil, usage("--session-key: %v", err)
		}
	}
	if f.tokens != "" {
		if d.Tokens, err = server.OpenTokens(f.tokens); err != nil {
			return nil, usage("--tokens: %v", err)
		}
		o.Guard.Still = d.Tokens.Still
	}
	if a.clients != nil && a.clients.taskcluster != nil {
		who, err := server.Hawk(hawk(a.clients.taskcluster),
			&server.HawkOptions{PublicURL: f.publicURL, Nonces: d.Nonces})
		if err != nil {
			return nil, err
		}
		d.Who = append(d.Who, who)
	}
	if d.Tokens == nil && len(d.Who) == 0 {
		a.warnf("note: no caller may trigger anything; to allow some, add --tokens\n")
	}
	return o, nil
}

// welcome says where the service is. With --json standard output is for reports.
func (a *app) welcome(f serveFlags, at, token string) {
	tell := a.printf
	if a.json {
		tell = a.warnf
	}
	url := "http://" + at + "/"
	if f.publicURL != "" {
		url = strings.TrimSuffix(f.publicURL, "/") + "/"
	}
	tell("mozci serves at %s\n", url)
	if token != "" {
		tell("token: %s\n", token)
	}
}

// run serves until ctx is done.
func (a *app) run(ctx context.Context, s *server.Server, l net.Listener, parts []func(context.Context) error) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	web := server.HTTPServer(l.Addr().String(), s.Handler(), a.log)
	parts = append(parts, func(ctx context.Context) error {
		context.AfterFunc(ctx, func() {
			const patience = 5 * time.Second
			grace, end := context.WithTimeout(context.WithoutCancel(ctx), patience)
			defer end()
			if web.Shutdown(grace) != nil {
				_ = web.Close()
			}
		})
		if err := web.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	done := make(chan struct{}, len(parts))
	for _, part := range parts {
		go func() {
			err := part(ctx)
			if err != nil && ctx.Err() == nil {
				stop(err)
			}
			done <- struct{}{}
		}()
	}
	for range parts {
		<-done
	}
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) {
		return fmt.Errorf("the service ended: %w", err)
	}
	return nil
}

// paced is how long the next change of a world takes to come: an hour of its time a
// second, and never longer than most.
func paced(most time.Duration) func(time.Duration) time.Duration {
	const hour = 3600
	return func(d time.Duration) time.Duration { return min(d/hour, most) }
}

// hawk asks a deployment who signed a request.
func hawk(c *taskcluster.Client) server.HawkChecker {
	return func(ctx context.Context, r server.HawkRequest) (server.HawkAnswer, error) {
		a, err := c.AuthenticateHawk(ctx, taskcluster.HawkRequest(r))
		return server.HawkAnswer(a), err
	}
}
