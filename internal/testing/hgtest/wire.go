package hgtest

import (
	"fmt"
	"strconv"
	"strings"
)

// answer encodes the pushes: Go sorts the ids as strings, as hg does.
func (r repoOf) answer(ids []int64, q map[string][]string) any {
	_, full := q["full"]
	pushes := map[string]any{}
	for _, id := range ids {
		p := r[id]
		changesets, gits := []any{}, []any{}
		for _, c := range p.Changesets {
			gits = append(gits, orNull(c.Git))
			if full {
				changesets = append(changesets, c.wire())
			} else {
				changesets = append(changesets, c.Node)
			}
		}
		push := map[string]any{"changesets": changesets, "git_changesets": gits, "date": p.Date, "user": p.User}
		if len(changesets) == 0 { // they are all obsolete: one that was stripped is not listed
			delete(push, "git_changesets")
			push["obsoletechangesets"] = []any{hidden(id, full)}
		}
		pushes[strconv.FormatInt(id, 10)] = push
	}
	if strings.Join(q["version"], "") != "2" {
		return pushes
	}
	last := int64(0)
	for id := range r {
		last = max(last, id)
	}
	return map[string]any{"lastpushid": last, "pushes": pushes}
}

// wire is the changeset as the server has it, with every field that the real one
// always has.
func (c Changeset) wire() map[string]any {
	parents := c.Parents
	if len(parents) == 0 {
		parents = []string{strings.Repeat("0", 40)} // the root's
	}
	gitParents := c.GitParents
	if gitParents == nil {
		gitParents = make([]*string, len(parents))
	}
	return map[string]any{
		"node": c.Node, "git_node": orNull(c.Git), "author": c.Author, "desc": c.Desc, "branch": c.Branch,
		"parents": parents, "git_parents": gitParents, "files": orEmpty(c.Files), "tags": orEmpty(c.Tags),
	}
}

// hidden is a changeset that is obsolete.
func hidden(id int64, full bool) any {
	node := fmt.Sprintf("%040x", id)
	if full {
		return Changeset{Node: node, Author: "dev", Branch: "default"}.wire()
	}
	return node
}

func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func orEmpty(list []string) []string { return append([]string{}, list...) }
