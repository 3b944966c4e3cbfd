// Package server is the service behind the backfill button: an http.Handler that takes a job
// which failed, finds its last good run, triggers what is missing, says which push broke the
// job, and shows all of this on a page.
//
// Start with [New], which makes a [Server] from a [Store] and [Places]. Places are the wiring:
// which projects there are, where to read them, and on which CI to trigger. [Server.Handler]
// serves the API and the page, and [Server.Run] does the work:
//
//	s, err := server.New(places, server.NewMemory(nil), &server.Options{Ledger: book})
//	go s.Run(ctx)
//	err = server.HTTPServer("127.0.0.1:8787", s.Handler(), nil).ListenAndServe()
//
// # A backfill
//
// POST /v1/backfills starts one, and answers once its plan is made; nothing has been triggered
// by then. Run triggers the runs, waits for them, and searches on. A [Backfill] is the JSON that
// the API answers with, that each event carries, and that the page shows; /openapi.json
// describes every field. Times are UTC, durations seconds, probabilities 0 to 1, and a value
// that does not exist is null.
//
// The same request within a day is the same backfill. A request that makes no sense is an
// [InputError]; a request for which there is nothing to do, such as a job that never passed, is
// a [Refusal]: it is stored as a backfill that says why.
//
// # What survives a crash
//
// A backfill is in the store before its request is answered, and each change is stored before
// its followers hear of it. Every request to a CI goes through the ledger. When an instance
// dies, another one leases its backfills and goes on from what the store and the ledger know, so
// nothing is triggered twice. Several instances share the work over one database; see [NewSQL].
// [NewMemory] and the default ledger forget everything when the process ends.
//
// # Choosing jobs
//
// The page also has a chooser, at /chooser, and GET /v1/runnable is the same for programs. It
// lists all jobs that can run on a push and what they cost, and shows the plan before anything
// is triggered. Such a plan is not a Backfill: it is carried out within the request that
// confirms it, at most 500 runs. Sending it twice triggers it once, thanks to the ledger.
//
// # Who may do what
//
// A [Door] stands in front of every request; [DoorOptions] say who may read and how callers sign
// in. Reading may be open to everybody. Acting needs a [Caller], and the [Guard] checks before
// each request to a CI that the caller could have made it without this service: the service
// never lends anybody its own rights.
//
// With zero options nobody can read or act. The shortest way in is a file of tokens, which opens
// the API and the page's sign-in; [NewToken] and [HashToken] make its lines. [Hawk] accepts
// requests that are signed with credentials of Taskcluster.
//
//	tokens, err := server.OpenTokens("tokens.txt") // NAME sha256:HEX [scope…]
//	opts.Door = server.DoorOptions{Tokens: tokens, OpenReads: true}
//	opts.Guard = server.Guard{Still: tokens.Still} // a line that is removed stops its backfills too
package server
