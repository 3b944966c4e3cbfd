package buildbot

import (
	"fmt"
	"time"

	v2 "github.com/go-json-experiment/json"

	"github.com/mozci/mozci/job/contract"
)

// Record is what Raw returns for jobs of this package.
type Record struct {
	Builder  Builder // the builder under which the master files the run
	Buildset Buildset
	Request  BuildRequest
	Build    *Build // nil while no build has begun, and for a request that never gets one
}

// Builder is a builder. Its name is what mozci calls a label.
type Builder struct {
	ID          int      `json:"builderid" is:"required" min:"1" max:"2147483647"`
	Name        string   `json:"name" is:"required" min:"1"`
	Description string   `json:"description" is:"required,null"`
	Tags        []string `json:"tags" is:"required"`      // none when it has none; "_virtual_" marks a virtual builder
	Masters     []int    `json:"masterids" is:"required"` // none when it is retired

	_ contract.Also `names:"description_format description_html projectid"`
}

// Buildset is a set of requests that a scheduler made at once: one for each of some builders,
// with the same sources.
type Buildset struct {
	ID           int64         `json:"bsid" is:"required" min:"1" max:"2147483647"`
	Reason       string        `json:"reason" is:"required"`
	ParentBuild  int64         `json:"parent_buildid" is:"required,null" min:"1" max:"2147483647"` // that triggered it; 0 for none
	Complete     bool          `json:"complete" is:"required"`
	Submitted    Epoch         `json:"submitted_at" is:"required" min:"1" max:"99999999999"`
	Finished     Epoch         `json:"complete_at" is:"required,null" min:"1" max:"99999999999"`
	SourceStamps []SourceStamp `json:"sourcestamps" is:"required" min:"1"`

	_ contract.Also `names:"external_idstring parent_relationship rebuilt_buildid results"`
}

// SourceStamp is the source of one codebase.
type SourceStamp struct {
	ID         int64  `json:"ssid" is:"required" min:"1" max:"2147483647"`
	Codebase   string `json:"codebase" is:"required"`
	Repository string `json:"repository" is:"required"`
	Project    string `json:"project" is:"required"`
	Branch     string `json:"branch" is:"required,null"`   // empty: the default one
	Revision   string `json:"revision" is:"required,null"` // as long as it was submitted; empty: the newest one
	Patch      *Patch `json:"patch" is:"required,null"`    // what "buildbot try" puts on top; nil for none
	Created    Epoch  `json:"created_at" is:"required" min:"1" max:"99999999999"`
}

// Patch is a patch on top of a source stamp's revision, so the build is not of that revision.
type Patch struct {
	ID      int64  `json:"patchid" is:"required" min:"1" max:"2147483647"`
	Author  string `json:"author" is:"required"`
	Comment string `json:"comment" is:"required"`

	_ contract.Also `names:"body level subdir"`
}

// BuildRequest is a request for one build of one builder. It may get several builds, when they
// are retried, or none, when it is collapsed into another request.
type BuildRequest struct {
	ID         int64      `json:"buildrequestid" is:"required" min:"1" max:"2147483647"`
	Buildset   int64      `json:"buildsetid" is:"required" min:"1" max:"2147483647"`
	Builder    int        `json:"builderid" is:"required" min:"1" max:"2147483647"`
	Claimed    bool       `json:"claimed" is:"required"`
	Complete   bool       `json:"complete" is:"required"`
	Results    int        `json:"results" is:"required" min:"-1"` // 0 to 6 as the package comment has them; -1 until it is complete
	Submitted  Epoch      `json:"submitted_at" is:"required" min:"1" max:"99999999999"`
	ClaimedAt  Epoch      `json:"claimed_at" is:"required,null" min:"1" max:"99999999999"`
	Finished   Epoch      `json:"complete_at" is:"required,null" min:"1" max:"99999999999"` // 0 until it is complete
	Properties Properties `json:"properties" is:"required,null"`                            // only those that the request named; often none

	_ contract.Also `names:"claimed_by_masterid priority waited_for"`
}

// noResults is the value of BuildRequest.Results until the request is complete.
const noResults = -1

// Build is one run of a builder.
type Build struct {
	ID         int64      `json:"buildid" is:"required" min:"1" max:"2147483647"`
	Number     int        `json:"number" is:"required" min:"1" max:"2147483647"` // counts the builder's builds
	Builder    int        `json:"builderid" is:"required" min:"1" max:"2147483647"`
	Request    int64      `json:"buildrequestid" is:"required" min:"1" max:"2147483647"`
	Complete   bool       `json:"complete" is:"required"`
	Results    *int       `json:"results" is:"required,null" min:"0"` // 0 to 6 as the package comment has them; nil while it runs
	Started    Epoch      `json:"started_at" is:"required" min:"1" max:"99999999999"`
	Finished   Epoch      `json:"complete_at" is:"required,null" min:"1" max:"99999999999"` // 0 until it is complete
	State      string     `json:"state_string" is:"required"`
	Properties Properties `json:"properties" is:"required"` // only those that the request named; often none

	_ contract.Also `names:"locks_duration_s masterid workerid"`
}

// Properties are the properties of a build or a request, by name.
type Properties map[string]Property

// Property is the value of a property, and who set it. For example ["integration/autoland",
// "Change"], or [{"lib": "a1c0…"}, "Git"] for got_revision with codebases.
type Property struct {
	Value  any    // as decoded from JSON: a string, a float64, a list, an object
	Source string // "Build", "Scheduler", "Change", or a step's own text
}

// UnmarshalJSON reads the master's form of a property, the pair [value, source].
func (p *Property) UnmarshalJSON(text []byte) error {
	pair, err := list(text)
	source, ok := "", false
	if err == nil && len(pair) == 2 {
		source, ok = pair[1].(string)
	}
	if !ok {
		return fmt.Errorf("%.60s, expected a property's value and its source", text)
	}
	p.Value, p.Source = pair[0], source
	return nil
}

// list reads a JSON list with elements of any type.
func list(text []byte) (out []any, err error) {
	err = v2.Unmarshal(text, &out)
	return out, err
}

// Epoch is a time in whole seconds since 1970, UTC; 0 means none.
type Epoch int64

// Time returns e as a time.Time in UTC; the zero time for 0.
func (e Epoch) Time() time.Time {
	if e == 0 {
		return time.Time{}
	}
	return time.Unix(int64(e), 0).UTC()
}

// The check methods test what the tag of a single field cannot: whether fields fit together.
// The master writes such fields in one step, so when they do not fit, the answer was damaged.

func (s Buildset) check() error {
	return ended(s.Complete, s.Finished)
}

func (r BuildRequest) check() error {
	switch {
	case r.Claimed != (r.ClaimedAt != 0):
		return contract.Outside("claimed", "%t, but claimed_at is %d", r.Claimed, r.ClaimedAt)
	case r.Complete != (r.Results != noResults):
		return contract.Outside("results", "%d, but complete is %t", r.Results, r.Complete)
	case r.Results == resultRetry: // a request whose build is retried waits again, so it is not complete
		return contract.Outside("results", "%d of a complete request", r.Results)
	}
	return ended(r.Complete, r.Finished)
}

func (b Build) check() error {
	if err := outcome(b.Complete, b.Results); err != nil {
		return err
	}
	if p, ok := b.Properties[gotRevision]; ok && !saysRevision(p.Value) {
		const says = "%.60v, expected a revision or an object with one for each codebase"
		return contract.Outside("properties."+gotRevision, says, p.Value)
	}
	return ended(b.Complete, b.Finished)
}

func (s step) check() error { return outcome(s.Complete, s.Results) }

// outcome checks that a record has results exactly when it is complete.
func outcome(complete bool, results *int) error {
	switch {
	case complete && results == nil:
		return contract.Outside("results", "null, but complete is true")
	case !complete && results != nil:
		return contract.Outside("results", "%d, but complete is false", *results)
	}
	return nil
}

// ended checks that a record has an end time exactly when it is complete.
func ended(complete bool, at Epoch) error {
	if complete != (at != 0) {
		return contract.Outside("complete_at", "%d, but complete is %t", at, complete)
	}
	return nil
}

// saysRevision reports whether the value of got_revision has one of its documented forms: a
// hash, a Subversion number, or an object with a hash for each codebase.
func saysRevision(value any) bool {
	switch v := value.(type) {
	case string:
		return v != ""
	case float64:
		return true
	case map[string]any:
		for _, of := range v {
			if s, ok := of.(string); !ok || s == "" {
				return false
			}
		}
		return len(v) > 0
	}
	return false
}
