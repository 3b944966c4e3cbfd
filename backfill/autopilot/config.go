package autopilot

import "time"

// Mode says what the robot may do.
type Mode string

// The modes.
const (
	Off    Mode = "off"     // look at nothing
	DryRun Mode = "dry_run" // decide and report, trigger nothing
	Act    Mode = "act"
)

// Config is the autopilot's file. [ParseConfig] reads one, checks it and fills in the defaults.
type Config struct {
	// Repositories are the names of the repositories to look after; globs of package path.
	Repositories []string
	// Labels are globs of the labels to look after, in which a star matches slashes too.
	// Default all.
	Labels []string
	// Mode is what the robot may do. Default DryRun.
	Mode    Mode
	Budgets Budgets
	// Quiet is how long a person has, after a failed run, to classify it or to back out.
	// Default 10 minutes: 90% of classifications come within 11.
	Quiet time.Duration
	// KnownDays is for how many days a signature that was seen counts as known. Default 21.
	KnownDays int
	// MaxAge is how old a push may be when its failure is looked at. Default 6 hours.
	MaxAge time.Duration
	// MaxRuns is how many runs one case may trigger, builds included. Default 40.
	MaxRuns int
	// MaxRevisions is how many pushes before the first bad one are searched. Default 40.
	MaxRevisions int
	// Queue is how many runs may be waiting in a label's queue before the robot waits with
	// its own. Default 100.
	Queue int
	// Together is how many new signatures on one push are cases of their own; with more,
	// they are one. Default 10.
	Together int
	// Cases is how many cases are open at first; the number follows success. Default 4.
	Cases int
	// Undecided is after how many undecided cases in a row the robot falls back to DryRun.
	// Default 5.
	Undecided int
	// Webhook gets each report as a POST; empty for none.
	Webhook string
	// OffFile is a file that stops the robot while it exists; empty for none.
	OffFile string
}

// Budgets limit what the robot triggers in any 24 hours. Zero fields of the file are nothing, and
// missing ones the default; -1 is no limit.
type Budgets struct {
	RunsDay    int // runs, builds included; default 200
	RedRunsDay int // runs that ended red, which a person must classify, and those that have not ended; default 60
	MinutesDay int // minutes of machines, as the label usually takes; default 12000
	LabelDay   int // runs of one label; default 40
	// Pools limit the runs of all labels that match a glob, together. A label may be in several.
	Pools map[string]int
	// PoolDay limits the runs of each platform, which is what a label has before its
	// first slash. Default no limit.
	PoolDay int
	// Kinds limit the runs of each kind: build, test, perf, other. Default no limit.
	Kinds map[string]int
}
