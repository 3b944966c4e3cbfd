package autopilot

import "time"

// Day is what the robot did on one day, in UTC, for a page.
type Day struct {
	Date     time.Time // midnight
	Mode     Mode      // now: what it may do
	Why      string    // why no more than that; empty for Act
	Switch   Switch    // now
	SwitchOK bool      // the switch could be read; while it cannot, nothing is triggered
	Window   Window    // now

	Cases []Case     // opened on that day, newest first
	Left  []Decision // what was left alone, newest first
	Known int        // failed runs that were left alone since their signature is known

	New      int // cases opened
	Culprits int // of those, with a named culprit
	Cost     Cost
	Budgets  []Bar    // limits and what is spent of them now, in the last 24 hours
	Accuracy Accuracy // over the last 28 days
}

// Bar is one budget.
type Bar struct {
	Name  string // "runs", "red runs", "minutes", "label linux64/opt/xpcshell-1", "pool linux*", "kind build"
	Used  int
	Limit int // negative for no limit
}

// Accuracy compares what the robot said with what people did later.
type Accuracy struct {
	Right, Wrong int // a backout or a person tells
	Open         int // named, and nobody has done anything yet
	Undecided    int
}

// Window is how many cases may be open at once, which follows success.
type Window struct {
	Size      int // starts at Config.Cases, one more after a right answer, half after a wrong or undecided one
	Open      int // cases that are open now
	Undecided int // in a row
}

// Switch is what people, or the robot itself, set the mode to. What it may do is the lesser
// of this and Config.Mode.
type Switch struct {
	Mode Mode // Act where nobody stopped it
	By   string
	Why  string
	At   time.Time
}
