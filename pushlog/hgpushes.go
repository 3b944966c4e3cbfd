package pushlog

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/mozci/mozci/job"
)

// messageWire is a message of exchange/hgpushes, version 1, or the data of one
// of version 2.
type messageWire struct {
	RepoURL string   `json:"repo_url"`
	Heads   []string `json:"heads"`
	Pushes  []struct {
		ID   int64   `json:"pushid"`
		Time float64 `json:"time"` // seconds since 1970
		User string  `json:"user"`
	} `json:"pushlog_pushes"`
	// Version 2 has the above in data, and says what it is about.
	Type string       `json:"type"`
	Data *messageWire `json:"data"`
}

// DecodeMessage decodes the payload of a Pulse message of exchange/hgpushes,
// version 1 or 2, to the pushes that it tells about. The messages have no
// changesets: a push has the message's head as its revision when the message is
// about one push and one head, and no revision otherwise. Messages about a new
// repository or about obsolete changesets have no pushes. A type that nobody
// documents is job.ErrUnknownWord.
func DecodeMessage(payload []byte) ([]job.Push, error) {
	pushes, err := decodeMessage(payload)
	return pushes, job.Wrap("pushlog.message", "", err)
}

func decodeMessage(payload []byte) ([]job.Push, error) {
	var m messageWire
	if err := json.Unmarshal(payload, &m); err != nil {
		return nil, fmt.Errorf("%w: hgpushes: %w", job.ErrMalformed, err)
	}
	switch {
	case m.Type == "newrepo.1", m.Type == "obsolete.1":
		return nil, nil
	case m.Type == "changegroup.1" && m.Data != nil:
		m = *m.Data
	case m.Type != "":
		return nil, job.UnknownWord("hgpushes", "type", m.Type)
	}
	repo, err := repositoryOf(m.RepoURL)
	if err != nil {
		return nil, err
	}
	out := make([]job.Push, 0, len(m.Pushes))
	for _, w := range m.Pushes {
		if w.ID < 1 {
			return nil, fmt.Errorf("%w: hgpushes: push id %d of %s", job.ErrMalformed, w.ID, repo)
		}
		p := job.Push{Repo: repo, ID: w.ID, User: strings.TrimSpace(w.User)}
		if w.Time > 0 {
			p.Time = time.Unix(int64(w.Time), 0).UTC()
		}
		if len(m.Pushes) == 1 && len(m.Heads) == 1 {
			if !node(m.Heads[0]) {
				return nil, fmt.Errorf("%w: hgpushes: head %q is not a hash", job.ErrMalformed, m.Heads[0])
			}
			p.Revision = m.Heads[0]
		}
		out = append(out, p)
	}
	return out, nil
}

// repositoryOf is the short name of the repository at a URL.
func repositoryOf(where string) (string, error) {
	_, rest, ok := strings.Cut(strings.TrimSpace(where), "://")
	_, path, found := strings.Cut(rest, "/")
	if path = strings.Trim(path, "/"); !ok || !found || path == "" {
		return "", fmt.Errorf("%w: hgpushes: repo_url %q", job.ErrMalformed, where)
	}
	return ShortName(path), nil
}
