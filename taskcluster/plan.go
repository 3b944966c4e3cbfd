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

// plan is what a decision or an action task made, by its own artifact: of each label the
// ids of its tasks, sorted. Of a label it keeps a hash, so that a push of 3,000 tasks is
// 72 kB; the definition of a task says whether the label is the one that was meant.
type plan struct {
	rows []planned
	none bool // the task completed, and left no such artifact
}

// planned is one task of a plan.
type planned struct {
	label uint64
	id    [16]byte // what the task id is the base64 of
}

func hashOf(label string) uint64 {
	h := fnv.New64a()
	_, _ = io.WriteString(h, label)
	return h.Sum64()
}

// add adds a task; what is no task id has been refused before.
func (p *plan) add(label, id string) {
	if raw, ok := taskBytes(id); ok {
		p.rows = append(p.rows, planned{hashOf(label), raw})
	}
}

// sorted is the plan once all is in it.
func (p *plan) sorted() *plan {
	slices.SortFunc(p.rows, func(a, b planned) int {
		return cmp.Or(cmp.Compare(a.label, b.label), slices.Compare(a.id[:], b.id[:]))
	})
	p.rows = slices.Clip(slices.Compact(p.rows))
	return p
}

// of are the ids of a label's tasks, and very rarely those of another one's.
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

// mostWitnesses is how many tasks of a plan are asked of which group they are, to know that
// the plan is the task's own. Of a decision task many may be others': what the index
// had already, such as toolchains.
const mostWitnesses = 6

// witnesses are some tasks of the plan: of hashes in order, so that they are any.
func (p *plan) witnesses() []string {
	n := min(mostWitnesses, len(p.rows))
	out := make([]string, n)
	for i := range n {
		out[i] = p.rows[i*len(p.rows)/n].task()
	}
	return out
}

func (r planned) task() string { return base64.RawURLEncoding.EncodeToString(r.id[:]) }

// taskBytes are what a slugid is the base64 of.
func taskBytes(id string) (raw [16]byte, ok bool) {
	if len(id) != base64.RawURLEncoding.EncodedLen(len(raw)) {
		return raw, false
	}
	n, err := base64.RawURLEncoding.Strict().Decode(raw[:], []byte(id))
	return raw, err == nil && n == len(raw)
}

// mostPlanBytes is how large the folder of plans may become: thousands of pushes of Firefox.
const mostPlanBytes = 256 << 20

// keepIn keeps plans in a folder; an empty one is none.
func (c *Client) keepIn(dir string) {
	if dir != "" {
		c.kept = rest.NewDisk(filepath.Join(dir, "taskcluster"), mostPlanBytes)
	}
}

// made is what a task made in its run, as an artifact of a run that completed has it, which
// never changes. One without the artifact gives job.ErrNotFound.
func (c *Client) made(ctx context.Context, taskID string, run int, action bool) (*plan, error) {
	name, read := "public/label-to-taskid.json", readMapping
	if action {
		name, read = "public/task-graph.json", readGraph
	}
	key := c.file(taskID, run, "plan", name)
	if c.creds != nil {
		key += "#" + c.creds.ClientID // what a client may not read it is not told
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

// readMapping reads a label-to-taskid.json: of each label one task.
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

// readGraph reads a task-graph.json: of each label as many tasks as were made.
func readGraph(r io.Reader) (*plan, error) {
	out := &plan{}
	err := eachMade(r, func(id string, t *madeTask) { out.add(t.Label, id) })
	return out.sorted(), err
}

// rowBytes is how long a task of a plan is on the disk.
const rowBytes = 8 + 16

// savePlan keeps a plan on the disk.
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

// loadPlan is a plan of the disk. One that is torn is none.
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

// planOf is what a decision or a cron job's decision task made itself.
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

// planOfAction is what an action task made that has completed in its one run.
func (p *Project) planOfAction(ctx context.Context, id string) (*plan, error) {
	return p.known.planned.Do(ctx, id, func(ctx context.Context) (*plan, bool, error) {
		out, err := p.c.made(ctx, id, 0, true)
		if errors.Is(err, job.ErrNotFound) && !lacks(err) {
			return &plan{none: true}, true, nil
		}
		return out, true, err
	})
}
