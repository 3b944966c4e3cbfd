package buildbot

import (
	"encoding/json"
	"fmt"
)

// change is a change of the sources, which a change source told the master of.
type change struct {
	ID         int64   `json:"changeid"`
	Revision   string  `json:"revision"`
	Branch     string  `json:"branch"`
	Author     string  `json:"author"`
	Comments   string  `json:"comments"`
	Repository string  `json:"repository"`
	Project    string  `json:"project"`
	Codebase   string  `json:"codebase"`
	Parents    []int64 `json:"parent_changeids"`
	When       Epoch   `json:"when_timestamp"` // of the commit, by its author's clock
	// SourceStamp is made when the master hears of the change, by its own clock.
	SourceStamp SourceStamp `json:"sourcestamp"`
}

func (c change) check() error { return need("change", "changeid", c.ID > 0) }

// forceScheduler is a form by which a person asks for builds.
type forceScheduler struct {
	Name         string      `json:"name"`
	BuilderNames []string    `json:"builder_names"`
	Fields       []formField `json:"all_fields"`
}

// formField is a field of a form, or a group of fields.
type formField struct {
	Name     string      `json:"name"`
	FullName string      `json:"fullName"` // by which a value is given
	Type     string      `json:"type"`
	Default  any         `json:"default"`
	Required bool        `json:"required"`
	Regex    string      `json:"regex"`
	MaxSize  *int        `json:"maxsize"`
	Fields   []formField `json:"fields"`
}

// step is a step of a build.
type step struct {
	ID      int64  `json:"stepid"`
	Number  int    `json:"number"`
	Name    string `json:"name"`
	Results *int   `json:"results"` // nil while it runs
}

// stepLog is a log of a step.
type stepLog struct {
	ID       int64  `json:"logid"`
	Name     string `json:"name"`
	Type     string `json:"type"`     // s with streams, t text, h HTML, d deleted
	Complete bool   `json:"complete"` // nothing more is written to it
}

// submission is what a call made: a buildset, with a request for each builder.
type submission struct {
	Buildset int64
	Requests map[int]int64 // the request's id by the builder's
}

// UnmarshalJSON reads the pair of a buildset's id and an object whose keys are
// builders' ids.
func (a *submission) UnmarshalJSON(text []byte) error {
	var pair []json.RawMessage
	if err := json.Unmarshal(text, &pair); err != nil {
		return err
	}
	if len(pair) != 2 {
		return fmt.Errorf("expected a buildset's id and its requests, got %.60s", text)
	}
	if err := json.Unmarshal(pair[0], &a.Buildset); err != nil {
		return err
	}
	return json.Unmarshal(pair[1], &a.Requests)
}
