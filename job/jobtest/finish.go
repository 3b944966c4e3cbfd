package jobtest

import (
	"fmt"
	"maps"
	"slices"

	"github.com/mozci/mozci/job"
)

// finish checks what could only be known at the end of the text, and gives
// each push its changesets.
func (p *parser) finish() error {
	p.line++
	if len(p.w.repos) == 0 {
		return p.fail(word{col: 1}, "the world is empty: expected a line \"push LABEL …\"")
	}
	for _, r := range p.w.repos {
		if err := p.finishRepo(r); err != nil {
			return err
		}
	}
	if err := p.finishMerges(); err != nil {
		return err
	}
	if err := p.finishTruths(); err != nil {
		return err
	}
	for _, r := range p.w.repos {
		r.findTests()
	}
	p.changesets()
	return nil
}

// finishRepo checks that every directive speaks of a label that is there.
func (p *parser) finishRepo(r *repo) error {
	// One past the last line, since what is missing may stand anywhere.
	end := word{col: 1}
	if len(r.labels) == 0 {
		return p.fail(end, "repository %s has no line \"push LABEL …\"", r.name)
	}
	var said []string
	said = slices.AppendSeq(said, maps.Keys(r.kinds))
	said = slices.AppendSeq(said, maps.Keys(r.takes))
	said = slices.AppendSeq(said, maps.Keys(r.runs))
	for label, builds := range r.needs {
		said = append(append(said, label), builds...)
	}
	for _, t := range p.truths {
		if t.repo == r {
			said = append(said, t.label)
		}
	}
	// So that the same text always gives the same error.
	slices.Sort(said)
	for _, label := range said {
		if !r.has(label) {
			return p.fail(end, "label %s of repository %s is no column and in no line \"can …\"", label, r.name)
		}
	}
	for label, builds := range r.needs {
		for _, b := range builds {
			if len(r.needs[b]) > 0 {
				return p.fail(end, "%s needs %s, which itself needs something: one level is all there is", label, b)
			}
			if _, said := r.kinds[b]; !said {
				r.kinds[b] = job.KindBuild
			}
		}
	}
	return nil
}

// finishMerges gives the merges to their pushes, now that all repositories are known. Errors are at
// the line of the merge.
func (p *parser) finishMerges() error {
	for _, m := range p.merges {
		p.line = m.line
		from := p.w.repo(m.m.repo)
		if from == nil || from.push(m.m.first) == nil || from.push(m.m.last) == nil {
			return p.fail(m.at, "merge of pushes %d..%d of %s, which the world does not have", m.m.first, m.m.last,
				m.m.repo)
		}
		if from.push(m.m.last).Revision == "" {
			return p.fail(m.at, "push %d of %s is stripped: nothing to merge", m.m.last, m.m.repo)
		}
		m.push.merges = append(m.push.merges, m.m)
	}
	return nil
}

// changesets makes one changeset for each push; a merge push has those that it brought too, and its
// tip the merged tip as second parent. The first parent is the push before, without stripped ones.
// Push 17 with the word a1c0 says "Bug 1900017 - Change a1c0".
func (p *parser) changesets() {
	for _, r := range p.w.repos {
		parent := ""
		for _, n := range r.pushes {
			if n.Revision == "" {
				continue
			}
			c := job.Changeset{
				Node: n.Revision, Author: n.User,
				Description: fmt.Sprintf("Bug %d - Change %s", 1900000+n.ID, n.word),
			}
			if parent != "" {
				c.Parents = []string{parent}
			}
			if n.undoes != 0 {
				c.Description = "Backed out changeset " + r.push(n.undoes).Short()
			}
			for _, m := range n.merges {
				n.Changesets = append(n.Changesets, p.merged(m)...)
				c.Parents = append(c.Parents, p.w.repo(m.repo).push(m.last).Revision)
				c.Description = fmt.Sprintf("Merge %s to %s. a=merge", m.repo, r.name)
			}
			n.Changesets = append(n.Changesets, c)
			parent = n.Revision
		}
	}
}

// merged are the tips of the pushes that a merge brought, oldest first.
func (p *parser) merged(m merge) []job.Changeset {
	var out []job.Changeset
	for _, n := range p.w.repo(m.repo).pushes {
		if n.ID >= m.first && n.ID <= m.last && n.Revision != "" {
			out = append(out, job.Changeset{
				Node: n.Revision, Author: n.User,
				Description: fmt.Sprintf("Bug %d - Change %s", 1900000+n.ID, n.word),
			})
		}
	}
	return out
}
