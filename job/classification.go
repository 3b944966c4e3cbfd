package job

import "time"

// Classification is what a person said of a failed run.
type Classification struct {
	Kind ClassificationKind
	By   string    // who said it, as the source names people; empty where it does not say
	At   time.Time // when, UTC; zero where the source does not say
}

// Classified reports whether a person said something.
func (c Classification) Classified() bool { return c.Kind != "" && c.Kind != NotClassified }

// ClassificationKind says what kind of failure a run is, in Treeherder's words.
type ClassificationKind string

// The kinds of classifications.
const (
	NotClassified ClassificationKind = "not_classified" // no person said anything, or they took it back
	// ClassifiedIntermittent: it fails now and then, also without the push.
	ClassifiedIntermittent ClassificationKind = "intermittent"
	// ClassifiedFixed: the push broke it, and a backout or a later push fixed it.
	ClassifiedFixed ClassificationKind = "fixed_by_commit"
	// ClassifiedExpected: it was meant to fail.
	ClassifiedExpected ClassificationKind = "expected_fail"
	// ClassifiedInfra: a machine or a service failed, not the push.
	ClassifiedInfra ClassificationKind = "infra"
	// ClassifiedNeedsBug: intermittent, and there is no bug for it yet.
	ClassifiedNeedsBug ClassificationKind = "intermittent_needs_bugid"
)
