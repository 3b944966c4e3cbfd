package taskcluster

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"hash/fnv"
	"io"
	"path/filepath"
	"slices"

	"github.com/mozci/mozci/internal/rest"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/contract"
)

// plan lists the tasks that a decision or an action task made, from the artifact that it left.
// It is kept small: a row is 24 bytes, so a push of 3,000 tasks takes 72 kB. For that it
// stores a hash of the label. Two labels may have the same hash, so the caller must compare
// the label in the task's definition.
type plan struct {
	rows []planned // sorted by label hash, then by id, without duplicates
	none bool      // the task completed, but left no such artifact
}

// planned is one task of a plan.
type planned struct {
	label uint64   // hashOf the label
	id    [16]byte // the task id, decoded from base64
}

// hashOf is the 64-bit FNV-1a hash of a label. It is written to disk, so it must not change.
func hashOf(label string) uint64 {
	h := fnv.New64a()
	_, _ = io.WriteString(h, label)
	return h.Sum64()
}

// add adds a task. The decoder has refused malformed ids before, so none is lost here.
func (p *plan) add(label, id string) {
	if raw, ok := taskBytes(id); ok {
		p.rows = append(p.rows, planned{hashOf(label), raw})
	}
}

// sorted puts the rows into their order; call it once, after the last add.
func (p *plan) sorted() *plan {
	slices.SortFunc(p.rows, func(a, b planned) int {
		return cmp.Or(cmp.Compare(a.label, b.label), slices.Compare(a.id[:], b.id[:]))
	})
	p.rows = slices.Clip(slices.Compact(p.rows))
	return p
}

// of returns the ids of a label's tasks and, very rarely, of tasks of another label with the
// same hash. A binary search finds the first row of that hash; the others follow it.
//
// With the hashes 3, 5, 5 and 9, and a label whose hash is 5, the search finds row 1, and rows 1
// and 2 are its tasks. With the hash 4 it finds row 1 as well, the place where 4 would be, whose
// hash is another.
func (p *plan) of(label string) []string {
	want := hashOf(label)
	i, _ := slices.BinarySearchFunc(p.rows, want, func(r planned, h uint64) int { return cmp.Compare(r.label, h) })
	var out []string
	for ; i < len(p.rows) && p.rows[i].label == want; i++ {
		out = append(out, p.rows[i].task())
	}
	return out
}

// has reports whether a task is in the plan.
func (p *plan) has(id string) bool {
	raw, ok := taskBytes(id)
	return ok && slices.ContainsFunc(p.rows, func(r planned) bool { return r.id == raw })
}

// mostWitnesses is how many tasks of a plan are checked for their group, to know that the
// plan is the task's own. One would not do: a decision task's file also names tasks of other
// groups that it reused from the index, such as toolchains.
const mostWitnesses = 6

// witnesses returns some tasks of the plan, spread evenly over its rows: of 12 rows those at
// 0, 2, 4, 6, 8 and 10. Rows are in the order of hashes, so this is a fair sample. Of 7 rows
// they are those at 0, 1, 2, 3, 4 and 5; of 4 rows, all.
func (p *plan) witnesses() []string {
	n := min(mostWitnesses, len(p.rows))
	out := make([]string, n)
	for i := range n {
		out[i] = p.rows[i*len(p.rows)/n].task()
	}
	return out
}

func (r planned) task() string { return base64.RawURLEncoding.EncodeToString(r.id[:]) }

// taskBytes decodes a task id, which is a slugid: 16 bytes as 22 characters of URL-safe
// base64. Strict refuses the ids whose last character has bits that no encoder writes; they
// would decode to the bytes of another id. 22 characters are 132 bits, and 16 bytes 128: the
// last 4 bits are 0, so the last character is A, Q, g or w.
func taskBytes(id string) (raw [16]byte, ok bool) {
	if len(id) != base64.RawURLEncoding.EncodedLen(len(raw)) {
		return raw, false
	}
	n, err := base64.RawURLEncoding.Strict().Decode(raw[:], []byte(id))
	return raw, err == nil && n == len(raw)
}

// mostPlanBytes is how large the folder of plans may become, in bytes. That is room for more
// than 3,000 pushes of Firefox.
const mostPlanBytes = 256 << 20

// keepIn keeps plans in a folder; "" means that none are kept.
func (c *Client) keepIn(dir string) {
	if dir != "" {
		c.kept = rest.NewDisk(filepath.Join(dir, "taskcluster"), mostPlanBytes)
	}
}

// made reads what a task made in a run that completed. That never changes, so the plan is kept
// on disk. action selects the file: a decision task leaves label-to-taskid.json, an action
// task task-graph.json. A run without the file gives job.ErrNotFound.
func (c *Client) made(ctx context.Context, taskID string, run int, action bool) (*plan, error) {
	name, read := "public/label-to-taskid.json", readMapping
	if action {
		name, read = "public/task-graph.json", readGraph
	}
	key := c.file(taskID, run, "plan", name)
	if c.creds != nil {
		key += "#" + c.creds.ClientID // so that no client gets from disk what only another may read
	}
	if p, ok := c.loadPlan(key); ok {
		return p, nil
	}
	var out *plan
	err := c.ReadArtifact(ctx, taskID, run, name, func(r io.Reader) (err error) {
		out, err = read(&capped{r: r, left: mostMapping})
		return err
	})
	if errors.Is(err, rest.ErrTooLarge) {
		err = tooLarge(taskID, name, mostMapping)
	}
	if err != nil {
		return nil, err
	}
	c.savePlan(key, out)
	return out, nil
}

// readMapping reads a label-to-taskid.json, which has one task for each label.
func readMapping(r io.Reader) (*plan, error) {
	out := &plan{}
	_, err := labelToTask.Read(contract.Asked{}, r, contract.Elements("", func(label string, id *taskID) error {
		if id == nil {
			return contract.Outside(".", "null")
		}
		out.add(label, string(*id))
		return nil
	}))
	return out.sorted(), err
}

// readGraph reads a task-graph.json, which may have several tasks of a label.
func readGraph(r io.Reader) (*plan, error) {
	out := &plan{}
	err := eachMade(r, func(id string, t *madeTask) { out.add(t.Label, id) })
	return out.sorted(), err
}

// rowBytes is the size of a row on disk: 8 bytes of label hash, big-endian, and 16 of task id.
// A plan on disk is its rows and nothing else; the SHA-256 of them stands beside it as ETag.
const rowBytes = 8 + 16

// savePlan keeps a plan on disk. A failure is not reported: the plan is then read again.
func (c *Client) savePlan(key string, p *plan) {
	if c.kept == nil {
		return
	}
	body := make([]byte, 0, len(p.rows)*rowBytes)
	for _, r := range p.rows {
		body = append(binary.BigEndian.AppendUint64(body, r.label), r.id[:]...)
	}
	c.kept.Store(key, &rest.Kept{URL: key, ETag: sumOf(body), Immutable: true, Body: body})
}

// loadPlan reads a plan from disk. One whose length or checksum is wrong counts as missing.
func (c *Client) loadPlan(key string) (*plan, bool) {
	if c.kept == nil {
		return nil, false
	}
	kept, ok := c.kept.Load(key)
	if !ok || len(kept.Body)%rowBytes != 0 || kept.ETag != sumOf(kept.Body) {
		return nil, false
	}
	out := &plan{rows: make([]planned, len(kept.Body)/rowBytes)}
	for i := range out.rows {
		row := kept.Body[i*rowBytes:]
		out.rows[i].label = binary.BigEndian.Uint64(row)
		copy(out.rows[i].id[:], row[8:rowBytes])
	}
	return out, true
}

func sumOf(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}

// planOf returns the plan of a decision task, the push's own or a cron job's.
func (p *Project) planOf(ctx context.Context, id string) (*plan, error) {
	return p.known.planned.Do(ctx, id, func(ctx context.Context) (*plan, bool, error) {
		run, err := p.completed(ctx, id)
		if err != nil {
			return nil, false, err
		}
		out, err := p.c.made(ctx, id, run, false)
		return out, true, err
	})
}

// planOfAction returns the plan of an action task that completed in its only run, number 0.
// One that left no file has an empty plan with none set.
func (p *Project) planOfAction(ctx context.Context, id string) (*plan, error) {
	return p.known.planned.Do(ctx, id, func(ctx context.Context) (*plan, bool, error) {
		out, err := p.c.made(ctx, id, 0, true)
		if errors.Is(err, job.ErrNotFound) && !lacks(err) {
			return &plan{none: true}, true, nil
		}
		return out, true, err
	})
}
