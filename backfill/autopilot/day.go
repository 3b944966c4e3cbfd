package autopilot

import "time"

// Day is what the robot did on one day (UTC), for a page.
type Day struct {
	Date     time.Time // midnight UTC
	Mode     Mode      // what the robot may do now
	Why      string    // why it may do no more than that; empty for Act
	Switch   Switch    // as it is now
	SwitchOK bool      // whether the switch could be read; while it cannot, nothing is triggered
	Window   Window    // as it is now

	Cases []Case     // opened on that day, the newest first
	Left  []Decision // failures left alone on that day, the newest first
	Known int        // number of failed runs that were left alone because their signature is known

	New      int // number of cases opened
	Culprits int // number of these cases that named a culprit
	Cost     Cost
	Budgets  []Bar    // limits, and what the last 24 hours used of them
	Accuracy Accuracy // over the last 28 days
}

// Bar is one budget.
type Bar struct {
	Name  string // "runs", "red runs", "minutes", "label linux64/opt/xpcshell-1", "pool linux*", "kind build"
	Used  int
	Limit int // negative: no limit
}

// Accuracy compares the culprits that the robot named with what people did later.
type Accuracy struct {
	Right, Wrong int // as a backout or a person says
	Open         int // named, and people have not acted yet
	Undecided    int
}

// Window says how many cases may be open at the same time. It grows slowly and shrinks fast, as
// TCP's congestion window does: the robot earns trust with right answers. With Size 4, an undecided
// case makes it 2, another one 1, which is the least, and a right answer 2 again.
type Window struct {
	Size      int // Config.Cases at first; plus 1 after a right answer, halved after a wrong or undecided one
	Open      int // number of cases that are open now
	Undecided int // number of undecided cases in a row
}

// Switch is the mode that people set, or that the robot fell back to. The robot may do what both
// the Switch and Config.Mode allow.
type Switch struct {
	Mode Mode // Act until somebody stops the robot
	By   string
	Why  string
	Case string // key of the case after which the robot fell back; empty when a person set it
	At   time.Time
}
