// Package server is the backfill button's server side: an http.Handler that takes the
// job which failed, finds its last good run, triggers what is missing, says which push
// broke it, and shows all of it on a page.
//
// Start with [New], which makes a Server over a [Store] and over [Places], the CIs that
// it may read and ask. [Server.Handler] is what an http.Server serves, and [Server.Run]
// does the work: a backfill that was accepted is carried out by whichever instance has
// its lease.
//
//	s, err := server.New(places, server.NewMemory(nil), &server.Options{Ledger: book})
//	go s.Run(ctx)
//	err = server.HTTPServer("127.0.0.1:8787", s.Handler(), nil).ListenAndServe()
//
// # What survives
//
// A [Backfill] is written into the store before it is answered, and each change of it
// before anybody is told. Every request to a CI goes through the ledger. A process that
// dies is followed by the next one, which goes on with what the store and the ledger
// know: nothing is asked for twice, whatever died when. Several instances with one
// database share the work.
//
// # Choosing
//
// The page has a chooser too (/chooser, and GET /v1/runnable for programs): any jobs that
// can run on a push, what they cost by how long they usually run, and the plan before
// anything is triggered. Such a plan is no Backfill: it is carried out within the request
// that confirms it, at most 500 runs, and the ledger is what makes the same plan sent twice
// ask once.
//
// # Who may
//
// Reading may be open. Acting needs a [Caller], and what is asked of the CI must be what
// the caller could ask for: the service never lends its own power.
package server
