package pushlog

import (
	"fmt"
	"slices"
	"strings"
	"time"

	v2 "github.com/go-json-experiment/json"

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/contract"
)

// messageWire is a message of exchange/hgpushes/v1:
//
//	{"repo_url": "https://hg.mozilla.org/integration/autoland", "heads": ["b54f…"],
//	 "pushlog_pushes": [{"pushid": 120059, "time": 1609459200, "user": "someone@mozilla.com"}]}
//
// A message of version 2 about pushes has the same object in data.
type messageWire struct {
	RepoURL string       `json:"repo_url" is:"required"`
	Heads   []string     `json:"heads" is:"required"`
	Pushes  []pushedWire `json:"pushlog_pushes" is:"required"`

	_ contract.Also `names:"source _meta"`
}

type pushedWire struct {
	ID   int64  `json:"pushid" is:"required" min:"1" max:"1e12"`
	Time int64  `json:"time" is:"required" min:"0" max:"253402300799"` // seconds since 1970
	User string `json:"user" is:"required"`

	_ contract.Also `names:"push_json_url push_full_json_url"`
}

// Prove implements contract.Prover.
func (w *messageWire) Prove() error {
	if _, err := repositoryOf(w.RepoURL); err != nil {
		return err
	}
	for i, h := range w.Heads {
		if !isHash(h) || slices.Contains(w.Heads[:i], h) {
			return notHash(fmt.Sprintf("heads[%d]", i), h)
		}
	}
	seen := map[int64]bool{}
	for i, p := range w.Pushes {
		if seen[p.ID] {
			return contract.Outside(fmt.Sprintf("pushlog_pushes[%d].pushid", i), "push %d comes twice", p.ID)
		}
		seen[p.ID] = true
	}
	return nil
}

// eventWire is a message of version 2, which says what it is about.
type eventWire struct {
	Type string   `json:"type" is:"required" words:"changegroup.1 newrepo.1 obsolete.1"`
	Data dataWire `json:"data" is:""`

	_ contract.Also `names:"_meta"`
}

// dataWire is the data of a message of version 2. Its members are those of a message about
// pushes; the data of other types is not read.
type dataWire struct {
	RepoURL string       `json:"repo_url" is:""`
	Heads   []string     `json:"heads" is:""`
	Pushes  []pushedWire `json:"pushlog_pushes" is:""`

	_ contract.Also `names:"source repository_url markers"`
}

// message returns the data as a message of version 1.
func (w *dataWire) message() messageWire {
	return messageWire{RepoURL: w.RepoURL, Heads: w.Heads, Pushes: w.Pushes}
}

// Prove implements contract.Prover. The members are optional, since other types do not
// have them, but a message about pushes must have all three.
func (w *eventWire) Prove() error {
	if w.Type != "changegroup.1" {
		return nil
	}
	switch {
	case w.Data.RepoURL == "":
		return contract.Outside("data.repo_url", "missing")
	case w.Data.Heads == nil:
		return contract.Outside("data.heads", "missing")
	case w.Data.Pushes == nil:
		return contract.Outside("data.pushlog_pushes", "missing")
	}
	m := w.Data.message()
	return m.Prove()
}

// DecodeMessage decodes the payload of a Pulse message of exchange/hgpushes, version 1
// or 2, and returns its pushes. The messages have no changesets. A push gets the message's
// head as its revision when the message has one push and one head; with more, the message
// does not say which head is whose, and the revisions are empty. Messages about a new
// repository or about obsolete changesets have no pushes. An undocumented type is
// job.ErrUnknownWord.
func DecodeMessage(payload []byte) ([]job.Push, error) {
	pushes, err := decodeMessage(payload)
	return pushes, job.Wrap("pushlog.message", "", err)
}

func decodeMessage(payload []byte) ([]job.Push, error) {
	var is struct { // only a message of version 2 has these members
		Type any `json:"type"`
		Data any `json:"data"`
	}
	_ = v2.Unmarshal(payload, &is) // the contract reports what is wrong with the payload
	if is.Type == nil && is.Data == nil {
		m, err := messageEndpoint.Decode(contract.Asked{}, payload)
		if err != nil {
			return nil, err
		}
		return m.pushes()
	}
	e, err := eventEndpoint.Decode(contract.Asked{}, payload)
	if err != nil {
		return nil, err
	}
	switch e.Type {
	case "newrepo.1", "obsolete.1":
		return nil, nil
	case "changegroup.1":
		m := e.Data.message()
		return m.pushes()
	}
	return nil, job.UnknownWord("hgpushes", "type", e.Type)
}

func (w *messageWire) pushes() ([]job.Push, error) {
	repo, err := repositoryOf(w.RepoURL)
	if err != nil {
		return nil, err
	}
	out := make([]job.Push, 0, len(w.Pushes))
	for _, pushed := range w.Pushes {
		p := job.Push{Repo: repo, ID: pushed.ID, User: strings.TrimSpace(pushed.User)}
		if pushed.Time > 0 {
			p.Time = time.Unix(pushed.Time, 0).UTC()
		}
		if len(w.Pushes) == 1 && len(w.Heads) == 1 {
			p.Revision = w.Heads[0]
		}
		out = append(out, p)
	}
	return out, nil
}

// repositoryOf is the short name of the repository at a URL. For example
// "https://hg.mozilla.org/integration/autoland/" → "autoland".
func repositoryOf(where string) (string, error) {
	_, rest, ok := strings.Cut(strings.TrimSpace(where), "://")
	_, path, found := strings.Cut(rest, "/")
	if path = strings.Trim(path, "/"); !ok || !found || path == "" {
		return "", contract.Outside("repo_url", "%.80q, expected a URL of a repository", where)
	}
	return ShortName(path), nil
}
