package treeherder

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/mozci/mozci/internal/gunzip"
	"github.com/mozci/mozci/job"
)

// Snapshot is what Treeherder answered to a resultset request in 2013 or 2014:
// some pushes with all their jobs, in the order of their times. It is a
// job.Repository and a read-only job.Scheduler in memory, safe for concurrent use.
type Snapshot struct {
	*job.List
	jobs   map[int64][]Record // by push id
	labels map[string]sharing // of labels that several builders have; see labelsOf
}

var (
	_ job.Repository = (*Snapshot)(nil)
	_ job.Scheduler  = (*Snapshot)(nil)
)

// snapshotWire is an answer of .../resultset/?count=10. In November 2013 that
// was the array of resultsets alone; one resultset has no results around it.
type snapshotWire struct {
	Meta    struct{ Repository string }
	Names   []string `json:"job_property_names"`
	Results *[]resultsetWire
}

// resultsetWire is one push. Its revision has 12 digits; its revision_hash has
// 40, and is no revision.
type resultsetWire struct {
	ID        int64  `json:"id"`
	Revision  string `json:"revision"`
	Author    string `json:"author"`
	Timestamp int64  `json:"push_timestamp"`
	Platforms []struct {
		Name   string `json:"name"`
		Option string `json:"option"`
		Groups []struct {
			Symbol string            `json:"symbol"`
			Jobs   []json.RawMessage `json:"jobs"`
		} `json:"groups"`
	} `json:"platforms"`
}

// maxSnapshot caps what is read of a file, decompressed.
const maxSnapshot = 256 << 20

// ReadSnapshot reads a saved resultset answer, compressed with gzip or not. The
// repository's name is the one that the answer says, or else name. Errors wrap
// job.ErrMalformed.
func ReadSnapshot(r io.Reader, name string) (*Snapshot, error) {
	s, err := readSnapshot(r, name)
	if err != nil {
		return nil, job.Wrap("treeherder.snapshot", name, err)
	}
	return s, nil
}

func readSnapshot(r io.Reader, name string) (*Snapshot, error) {
	body, err := readAll(r)
	if err != nil {
		return nil, err
	}
	w, err := decodeSnapshot(body)
	if err != nil {
		return nil, err
	}
	if w.Meta.Repository != "" {
		name = w.Meta.Repository
	}
	s := &Snapshot{jobs: map[int64][]Record{}}
	var pushes []job.Push
	for _, rs := range *w.Results {
		p, err := pushWire{ID: rs.ID, Revision: rs.Revision, Author: rs.Author, Timestamp: rs.Timestamp}.push(name)
		if err != nil {
			return nil, err
		}
		if _, twice := s.jobs[rs.ID]; twice {
			return nil, fmt.Errorf("%w: push %d comes twice", job.ErrMalformed, rs.ID)
		}
		pushes = append(pushes, p)
		if s.jobs[rs.ID], err = rs.records(w.Names); err != nil {
			return nil, fmt.Errorf("push %d: %w", rs.ID, err)
		}
	}
	s.List = job.NewList(name, pushes)
	s.labels = labelsOf(s.jobs)
	return s, nil
}

func decodeSnapshot(body []byte) (snapshotWire, error) {
	var w snapshotWire
	if bytes.HasPrefix(bytes.TrimLeft(body, " \t\r\n"), []byte("[")) {
		var list []resultsetWire
		if err := json.Unmarshal(body, &list); err != nil {
			return w, fmt.Errorf("%w: %w", job.ErrMalformed, err)
		}
		if len(list) == 0 {
			return w, fmt.Errorf("%w: no resultsets", job.ErrMalformed)
		}
		w.Results = &list
		return w, nil
	}
	if err := json.Unmarshal(body, &w); err != nil {
		return w, fmt.Errorf("%w: %w", job.ErrMalformed, err)
	}
	if w.Results == nil {
		var one resultsetWire
		if err := json.Unmarshal(body, &one); err != nil || one.ID == 0 {
			return w, fmt.Errorf("%w: neither results nor a resultset", job.ErrMalformed)
		}
		w.Results = &[]resultsetWire{one}
	}
	return w, nil
}

func readAll(r io.Reader) ([]byte, error) {
	plain, err := gunzip.Reader(r)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", job.ErrMalformed, err)
	}
	body, err := io.ReadAll(io.LimitReader(plain, maxSnapshot+1))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", job.ErrMalformed, err)
	}
	if len(body) > maxSnapshot {
		return nil, fmt.Errorf("%w: larger than %d bytes", job.ErrMalformed, maxSnapshot)
	}
	return body, nil
}

// records are the jobs of one push. What a job does not say, its place says: in
// 2013 the platform's name held the option, and the group the symbol.
func (rs resultsetWire) records(names []string) ([]Record, error) {
	var out []Record
	for _, platform := range rs.Platforms {
		for _, group := range platform.Groups {
			found, err := records(group.Jobs, names)
			if err != nil {
				return nil, fmt.Errorf("%s %s: %w", platform.Name, group.Symbol, err)
			}
			for _, r := range found {
				if r.PushID != 0 || r.ResultSetID != 0 {
					if err := r.of(rs.ID); err != nil {
						return nil, err
					}
				}
				if r.Platform == "" && strings.HasPrefix(platform.Name, r.BuildPlatform+" ") {
					r.Platform = r.BuildPlatform // the name has the option after it
				}
				if r.Platform == "" {
					r.Platform = platform.Name
				}
				if r.Option == "" {
					r.Option = platform.Option
				}
				if r.Option == "" {
					r.Option = strings.TrimSpace(strings.TrimPrefix(platform.Name, r.Platform))
				}
				if r.GroupSymbol == "" {
					r.GroupSymbol = group.Symbol
				}
				out = append(out, r)
			}
		}
	}
	return out, nil
}

// Jobs implements job.Scheduler.
func (s *Snapshot) Jobs(ctx context.Context, p job.Push, names ...string) ([]job.Job, error) {
	const op = "treeherder.snapshot"
	if !p.Testable() {
		return nil, job.Wrap(op, p.String(), ctx.Err())
	}
	at, err := s.Push(ctx, p.Revision)
	if err != nil {
		return nil, job.Wrap(op, p.String(), err)
	}
	jobs, err := jobsOf(s.jobs[at.ID], at, names, s.label)
	return jobs, job.Wrap(op, p.String(), err)
}

// Trigger implements job.Scheduler: it is not supported.
func (s *Snapshot) Trigger(_ context.Context, req job.Request) (job.Receipt, error) {
	return job.Receipt{}, readOnly(req)
}
