package buildbot

import (
	"encoding/json"
	"fmt"
	"time"
)

// Record is what a job's Raw holds: a request, and the build of it that this run
// is; nil while none has begun, and where none ever will. Builder is the one that
// the run is filed under.
type Record struct {
	Builder  Builder
	Buildset Buildset
	Request  BuildRequest
	Build    *Build
}

// Builder is a builder: what mozci calls a label.
type Builder struct {
	ID          int      `json:"builderid"`
	Name        string   `json:"name"`
	Description string   `json:"description"`
	Tags        []string `json:"tags"`      // none when it has none; "_virtual_" marks a virtual builder
	Masters     []int    `json:"masterids"` // none when it is retired
}

// Buildset is what a scheduler asked for at once: requests for one or more
// builders on the same sources.
type Buildset struct {
	ID           int64         `json:"bsid"`
	Reason       string        `json:"reason"`
	ParentBuild  int64         `json:"parent_buildid"` // that triggered it; 0 for none
	Complete     bool          `json:"complete"`
	Submitted    Epoch         `json:"submitted_at"`
	SourceStamps []SourceStamp `json:"sourcestamps"`
}

// SourceStamp is the source of one codebase.
type SourceStamp struct {
	ID         int64  `json:"ssid"`
	Codebase   string `json:"codebase"`
	Repository string `json:"repository"`
	Project    string `json:"project"`
	Branch     string `json:"branch"`   // empty: the default one
	Revision   string `json:"revision"` // as long as it was submitted; empty: the newest one
	Patch      *Patch `json:"patch"`    // what "buildbot try" puts on top; nil for none
	Created    Epoch  `json:"created_at"`
}

// Patch says that a source stamp is not what its revision says.
type Patch struct {
	ID      int64  `json:"patchid"`
	Author  string `json:"author"`
	Comment string `json:"comment"`
}

// BuildRequest asks for one build of one builder.
type BuildRequest struct {
	ID         int64      `json:"buildrequestid"`
	Buildset   int64      `json:"buildsetid"`
	Builder    int        `json:"builderid"`
	Claimed    bool       `json:"claimed"`
	Complete   bool       `json:"complete"`
	Results    int        `json:"results"` // 0 to 6 as the package comment has them; -1 until it is complete
	Submitted  Epoch      `json:"submitted_at"`
	Finished   Epoch      `json:"complete_at"` // zero until it is complete
	Properties Properties `json:"properties"`  // where they were asked for
}

// UnmarshalJSON reads a request; one that does not say its results has none,
// and did not succeed.
func (r *BuildRequest) UnmarshalJSON(text []byte) error {
	type plain BuildRequest
	p := plain{Results: noResults}
	if err := json.Unmarshal(text, &p); err != nil {
		return err
	}
	*r = BuildRequest(p)
	return nil
}

// noResults is what a request has until it is complete.
const noResults = -1

// Build is one run of a builder.
type Build struct {
	ID         int64      `json:"buildid"`
	Number     int        `json:"number"` // counts the builder's builds
	Builder    int        `json:"builderid"`
	Request    int64      `json:"buildrequestid"`
	Complete   bool       `json:"complete"`
	Results    *int       `json:"results"` // 0 to 6 as the package comment has them; nil while it runs
	Started    Epoch      `json:"started_at"`
	Finished   Epoch      `json:"complete_at"` // zero until it is complete
	State      string     `json:"state_string"`
	Properties Properties `json:"properties"` // where they were asked for
}

// Properties are properties of a build or a request, by name.
type Properties map[string]Property

// Property is a value and where it came from.
type Property struct {
	Value  any    // as in JSON: a string, a float64, a list, an object
	Source string // "Build", "Scheduler", "Change", a step's own words
}

// UnmarshalJSON reads the pair of a value and its source.
func (p *Property) UnmarshalJSON(text []byte) error {
	var pair []any
	if err := json.Unmarshal(text, &pair); err != nil {
		return fmt.Errorf("a property: expected its value and its source, got %.60s", text)
	}
	if len(pair) != 2 {
		return fmt.Errorf("a property: expected its value and its source, got %.60s", text)
	}
	p.Value = pair[0]
	p.Source, _ = pair[1].(string)
	return nil
}

// Epoch is a moment in whole seconds since 1970, or null, which is zero.
type Epoch struct{ time.Time }

// UnmarshalJSON reads a number of seconds or null.
func (e *Epoch) UnmarshalJSON(text []byte) error {
	var s *float64
	if err := json.Unmarshal(text, &s); err != nil {
		return fmt.Errorf("a time: expected seconds or null, got %.30s", text)
	}
	e.Time = time.Time{}
	if s != nil {
		e.Time = time.Unix(int64(*s), 0).UTC()
	}
	return nil
}

// check says what a record of a list must have: an answer without its keys would
// be filed under zero, where it is lost.

func (b Builder) check() error { return need("builder", "builderid", b.ID > 0, "name", b.Name != "") }

func (s Buildset) check() error {
	return need("buildset", "bsid", s.ID > 0, "sourcestamps", s.SourceStamps != nil)
}

func (r BuildRequest) check() error {
	return need("build request", "buildrequestid", r.ID > 0, "buildsetid", r.Buildset > 0, "builderid", r.Builder > 0)
}

func (b Build) check() error {
	return need("build", "buildid", b.ID > 0, "buildrequestid", b.Request > 0, "builderid", b.Builder > 0)
}

// need is an error for the first field that is not there, of pairs of names and
// whether they are.
func need(what string, pairs ...any) error {
	for i := 0; i+1 < len(pairs); i += 2 {
		if !pairs[i+1].(bool) {
			return fmt.Errorf("a %s without %s", what, pairs[i])
		}
	}
	return nil
}
