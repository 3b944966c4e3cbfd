package autopilot

import "time"

// Mode says what the robot may do.
type Mode string

// The modes, each allowing more than the one before.
const (
	Off    Mode = "off"     // do nothing
	DryRun Mode = "dry_run" // decide and report, trigger nothing
	Act    Mode = "act"     // decide, report and trigger
)

// Config is the content of the autopilot's file. [ParseConfig] reads one, checks it and sets the
// defaults.
type Config struct {
	// Repositories are the repositories to watch, as globs of package path.
	Repositories []string
	// Labels are the labels to watch, as globs in which * also matches slashes. Default: all
	// labels.
	Labels []string
	// Mode is what the robot may do. Default DryRun.
	Mode    Mode
	Budgets Budgets
	// Quiet is how long people have, after a failed run, to classify it or to back out a push
	// before the robot acts. Default 10 minutes: 90% of classifications come within 11 minutes.
	Quiet time.Duration
	// KnownDays is how many days a signature counts as known after it was seen. Default 21.
	KnownDays int
	// MaxAge is the maximum age of a push when the robot hears of its failure. Default 6 hours.
	MaxAge time.Duration
	// MaxRuns is the maximum number of runs that one case may trigger, including builds. Default
	// 40.
	MaxRuns int
	// MaxRevisions is the maximum number of pushes before the first bad one that are searched.
	// Default 40.
	MaxRevisions int
	// Queue is the maximum number of runs waiting in a label's queue. While there are more, the
	// robot waits. Default 100.
	Queue int
	// Together is the number of new signatures on one push up to which each gets its own case. When
	// there are more, one case is about all of them. Default 10.
	Together int
	// Cases is how many cases may be open at first; see Window for how that changes. Default 4.
	Cases int
	// Undecided is the number of undecided cases in a row after which the robot falls back to
	// DryRun. Default 5.
	Undecided int
	// Webhook is the URL to which each report is POSTed; empty for none.
	Webhook string
	// OffFile names a file that stops the robot while it exists; empty for none.
	OffFile string
}

// Budgets limit what the robot triggers in any 24 hours. In the file, a missing field means the
// default, 0 means nothing and -1 means no limit.
type Budgets struct {
	RunsDay    int // runs, including builds; default 200
	RedRunsDay int // runs that ended red, which a person must classify, plus those that have not ended; default 60
	MinutesDay int // minutes of machine time, as the label usually takes; default 12000
	LabelDay   int // runs of one label; default 40
	// Pools limit the runs of all labels that match a glob, taken together. A label may be in
	// several pools.
	Pools map[string]int
	// PoolDay limits the runs of each platform; that is the part of a label before its first slash.
	// Default: no limit.
	PoolDay int
	// Kinds limit the runs of each kind: build, test, perf, other. Default: no limit.
	Kinds map[string]int
}
