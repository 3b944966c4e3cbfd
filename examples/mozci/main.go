// Command mozci finds the push that broke a job, and triggers the runs
// needed to find it. It is a thin program over the library: flags in, a library
// call, a table or JSON out.
//
//	mozci pushes   --repo mozilla-central --ids 33333:33340
//	mozci jobs     --rev REV [--label LABEL]
//	mozci trigger  --label LABEL --rev REV [--from-rev REV] --times 2
//	mozci backfill --label LABEL --rev REV --max-revisions 30 --times 2
//
// It triggers nothing without --yes, or a yes on the terminal. With --world FILE
// everything happens in memory, on a history written as text; see package
// job/jobtest. Exit status: 0 done, 1 failed, 2 wrong usage, 3 not found or not
// enough data.
package main

import (
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	status := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(status)
}

// run is the whole program, for main and for tests.
func run(ctx context.Context, args []string, in io.Reader, out, errOut io.Writer) int {
	printed := &results{w: out}
	a := &app{in: in, out: printed, err: errOut}
	root := a.root()
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(printed)
	root.SetErr(errOut)
	err := root.ExecuteContext(ctx)
	if closeErr := a.close(); err == nil {
		err = closeErr
	}
	if lost := printed.lost(); lost != nil && unsaid(err) == nil {
		a.started = true // help is no command that starts
		err = errors.Join(err, lost)
	}
	return a.exit(err)
}
