package treeherder

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"time"

	v2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/mozci/mozci/internal/gunzip"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/contract"
)

// Snapshot is a saved answer of Treeherder to a resultset request in 2013 or 2014: some pushes with
// all their jobs, in the order of their times. [ReadSnapshot] makes one. It is a job.Repository and
// a read-only job.Scheduler in memory, and is safe for concurrent use.
type Snapshot struct {
	*job.List
	jobs   map[int64][]Record // by push id
	labels map[string]sharing // the labels that several builders share; see labelsOf
}

var (
	_ job.Repository    = (*Snapshot)(nil)
	_ job.Scheduler     = (*Snapshot)(nil)
	_ job.Classifier    = (*Snapshot)(nil)
	_ job.HistoryReader = (*Snapshot)(nil)
)

// maxSnapshot is the largest size of a file in bytes (256 MiB), counted after decompression.
const maxSnapshot = 256 << 20

// ReadSnapshot reads a saved resultset answer, compressed with gzip or not. The repository has the
// name in the answer, or else name. Errors wrap job.ErrMalformed.
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
	list, of, err := decodeSnapshot(body)
	if err != nil {
		return nil, err
	}
	if of != "" {
		name = of
	}
	s := &Snapshot{jobs: map[int64][]Record{}}
	var pushes []job.Push
	for _, rs := range list {
		pushes = append(pushes, job.Push{
			Repo: name, ID: rs.ID, Order: rs.Timestamp, Revision: rs.Revision, User: rs.Author,
			Time: time.Unix(rs.Timestamp, 0).UTC(),
		})
		s.jobs[rs.ID] = rs.records
	}
	s.List = job.NewList(name, pushes)
	s.labels = labelsOf(s.jobs)
	return s, nil
}

// decodeSnapshot decodes any of the three forms of an answer: a list, one resultset, or an object
// with results. repo is the repository in the answer; only the last form has one.
//
//	[{"id": 7, "platforms": …}, …]                       a list, of November 2013
//	{"id": 7, "platforms": …}                            one resultset
//	{"meta": {"repository": "try"}, "results": […]}      an object with results
func decodeSnapshot(body []byte) (list []resultsetWire, repo string, err error) {
	body = bytes.TrimLeft(body, " \t\r\n")
	if bytes.HasPrefix(body, []byte("[")) {
		all, err := listEndpoint.Decode(contract.Asked{}, body)
		if err != nil {
			return nil, "", err
		}
		if len(*all) == 0 {
			return nil, "", fmt.Errorf("%w: %s: no resultsets", job.ErrMalformed, listEndpoint.Title())
		}
		return *all, "", complete(listEndpoint.Title(), *all)
	}
	var one struct {
		Platforms jsontext.Value `json:"platforms"`
		Results   jsontext.Value `json:"results"`
	}
	if v2.Unmarshal(body, &one) == nil && one.Results == nil && one.Platforms != nil {
		rs, err := resultsetEndpoint.Decode(contract.Asked{}, body)
		if err != nil {
			return nil, "", err
		}
		return []resultsetWire{*rs}, "", complete(resultsetEndpoint.Title(), []resultsetWire{*rs})
	}
	w, err := snapshotEndpoint.Decode(contract.Asked{}, body)
	if err != nil {
		return nil, "", err
	}
	return w.Results, w.Meta.Repository, nil
}

// complete returns an error when a list of resultsets, which has no columns, has jobs that are rows,
// or when it has a push twice.
func complete(title string, list []resultsetWire) error {
	for i := range list {
		if list[i].records == nil {
			return fmt.Errorf("%w: %s: [%d].platforms: jobs are rows without job_property_names", job.ErrMalformed,
				title, i)
		}
	}
	if err := proveEach("", list); err != nil {
		return fmt.Errorf("%s%w", title, err)
	}
	return nil
}

// readAll reads a file, decompressed, of at most maxSnapshot bytes.
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

// Jobs implements job.Scheduler. A push that is not in the snapshot gives job.ErrNotFound.
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

// Trigger implements job.Scheduler. It always fails with errors.ErrUnsupported.
func (s *Snapshot) Trigger(_ context.Context, req job.Request) (job.Receipt, error) {
	return job.Receipt{}, readOnly(req)
}
