package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/mozci/mozci/internal/testing/damage"
	"github.com/mozci/mozci/internal/testing/hgtest"
	"github.com/mozci/mozci/internal/testing/testenv"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/contract"
	"github.com/mozci/mozci/pushlog"
)

// pushlogDamage are recorded answers of hg's pushlog, and messages about pushes.
func pushlogDamage(t *testing.T) []*damage.Case {
	recorded := func(file string) []byte { return testenv.ReadExchange(t, "wire", "hg", file).Body }
	ids := func(first, last int64, full bool) func(context.Context, *pushlog.Server) (string, error) {
		r := job.IDs(first, last)
		r.Full = full
		return func(ctx context.Context, s *pushlog.Server) (string, error) {
			pushes, err := s.Repository("autoland").Pushes(ctx, r)
			return told(pushes), err
		}
	}
	push := func(rev string) func(context.Context, *pushlog.Server) (string, error) {
		return func(ctx context.Context, s *pushlog.Server) (string, error) {
			p, err := s.Repository("autoland").Push(ctx, rev)
			return told([]job.Push{p}), err
		}
	}
	hashes, full := pushlogContract("json-pushes"), pushlogContract("json-pushes-full")
	others := map[string][]byte{
		"other ids":  recorded("030-json-pushes-fromchange-null.http"),
		"the newest": recorded("002-json-pushes-default-v2.http"),
		"version 1":  recorded("033-json-pushes-startID-endID-v1.http"),
	}
	otherFull := map[string][]byte{
		"other ids":  recorded("061-json-pushes-beta-full-tags.http"),
		"the newest": recorded("003-json-pushes-default-v2-full.http"),
		"in hashes":  recorded("032-json-pushes-startID-endID.http"),
	}
	cases := []*damage.Case{
		hgCase(hashes, "a range of ids", recorded("032-json-pushes-startID-endID.http"), others, ids(21, 23, false)),
		hgCase(hashes, "the push of a changeset", recorded("009-json-pushes-changeset-middle.http"), others,
			push("08463e1e5b9e86ffcb4bff2e6d7b0b5449ed3aab")),
		hgCase(hashes, "the push of a hidden changeset", recorded("076-json-pushes-obs-changeset-hidden.http"), others,
			push("9313b2d15a7192e25b14fd94f4aae03e68752915")),
		hgCase(hashes, "pushes with obsolete changesets", recorded("070-json-pushes-obs-all.http"), nil,
			ids(1, 8, false)),
		hgCase(full, "pushes of git in full", recorded("066-json-pushes-git-shas-full.http"), otherFull,
			ids(45, 46, true)),
		hgCase(full, "a merge in full", recorded("064-json-pushes-mc-merge-push-full.http"), otherFull,
			ids(4, 4, true)),
		hgCase(full, "pushes of 2018 in full",
			testenv.Read(t, "data", "1-hg", "mozilla-central__json-pushes_v2_full__startID-33332.json"), otherFull,
			ids(33333, 33340, true)),
		relevanceCase(t, recorded("088-automationrelevance-backouts.http"),
			recorded("092-automationrelevance-tip.http")),
	}
	return append(append(cases, landoCase()), messageCases(t)...)
}

func pushlogContract(name string) contract.Any {
	i := slices.IndexFunc(pushlog.Contracts(), func(c contract.Any) bool { return c.Title() == "pushlog/"+name })
	return pushlog.Contracts()[i]
}

// told is what matters of pushes, as text.
func told(pushes []job.Push) string {
	var b strings.Builder
	for _, p := range pushes {
		fmt.Fprintf(&b, "%d %s %s %s:", p.ID, p.Revision, p.Git, p.Time.Format("2006-01-02T15:04:05"))
		for _, c := range p.Changesets {
			fmt.Fprintf(&b, " %s %s %v", c.Node, c.Git, c.Parents)
		}
		b.WriteString("\n")
	}
	return b.String()
}

// hgCase is an answer that a server gives to every request.
func hgCase(
	e contract.Any, name string, text []byte, others map[string][]byte,
	ask func(context.Context, *pushlog.Server) (string, error),
) *damage.Case {
	return &damage.Case{
		Endpoint: e, Name: name, Text: text, Others: others, Untold: pushlogUntold,
		Result: func(text []byte) (string, error) {
			return ask(context.Background(), hgServer(func(*http.Request) []byte { return text }))
		},
	}
}

func hgServer(answer func(*http.Request) []byte) *pushlog.Server {
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write(answer(r)) })
	s, err := pushlog.New("https://hg.example", &pushlog.Options{
		HTTP: hgtest.Client(h), LandoURL: "https://lando.example",
	})
	if err != nil {
		panic(err)
	}
	return s
}

// relevanceCase is the answer about a push that was backed out.
func relevanceCase(t *testing.T, text, other []byte) *damage.Case {
	var wire struct {
		Changesets []struct{ Node string }
	}
	if err := json.Unmarshal(text, &wire); err != nil {
		t.Fatal(err)
	}
	p := job.Push{Repo: "autoland", ID: 9}
	for _, c := range wire.Changesets {
		p.Revision = c.Node
		p.Changesets = append(p.Changesets, job.Changeset{Node: c.Node})
	}
	return &damage.Case{
		Endpoint: pushlogContract("json-automationrelevance"), Name: "a push that was backed out", Text: text,
		Others: map[string][]byte{"another push's": other}, Untold: pushlogUntold,
		Result: func(text []byte) (string, error) {
			s := hgServer(func(r *http.Request) []byte {
				if strings.Contains(r.URL.Path, "json-automationrelevance") {
					return text
				}
				return fmt.Appendf(nil, `{"lastpushid":60,"pushes":{"50":{"user":"u","date":1700000000,"changesets":[%q]}}}`,
					r.URL.Query().Get("changeset"))
			})
			pushes, err := s.Repository("autoland").Backouts(context.Background(), p)
			return told(pushes), err
		},
	}
}

func landoCase() *damage.Case {
	hg, git := strings.Repeat("1a", 20), strings.Repeat("2b", 20)
	return &damage.Case{
		Endpoint: pushlogContract("lando"), Name: "a pair of hashes", Untold: pushlogUntold,
		Text:   fmt.Appendf(nil, `{"git_hash": %q, "hg_hash": %q}`, git, hg),
		Others: map[string][]byte{"another pair": fmt.Appendf(nil, `{"git_hash": %q, "hg_hash": %q}`, hg, git)},
		Result: func(text []byte) (string, error) {
			s := hgServer(func(*http.Request) []byte { return text })
			hg, git, err := s.LandoTwins(context.Background(), "autoland", git)
			return hg + " " + git, err
		},
	}
}

// messageCases are a message of each version about a push.
func messageCases(t *testing.T) []*damage.Case {
	var groups []struct{ Messages []json.RawMessage }
	text := testenv.Read(t, "data", "3-pulse", "version-control-tools__hgpushes_messages_test-pulse-notifier.json")
	if err := json.Unmarshal(text, &groups); err != nil {
		t.Fatal(err)
	}
	var out []*damage.Case
	for name, m := range map[string]json.RawMessage{
		"hgpushes-1": groups[0].Messages[0], "hgpushes-2": groups[1].Messages[1],
	} {
		out = append(out, &damage.Case{
			Endpoint: pushlogContract(name), Name: "a push", Text: m, Untold: pushlogUntold,
			Result: func(text []byte) (string, error) {
				pushes, err := pushlog.DecodeMessage(text)
				return told(pushes), err
			},
		})
	}
	slices.SortFunc(out, func(a, b *damage.Case) int { return strings.Compare(a.Endpoint.Title(), b.Endpoint.Title()) })
	return out
}

// pushlogUntold says why a reader cannot notice that an answer is damaged.
func pushlogUntold(d damage.Damage, _ string) string {
	field := placeInList.ReplaceAllString(d.Path, "[]")
	last := field[strings.LastIndexByte(field, '.')+1:]
	parts := strings.Split(field, ".")
	switch {
	case len(parts) == 2 && parts[0] == "pushes" && d.Kind == damage.Removed,
		field == "pushes" && d.Kind == damage.Empty:
		return "ids have holes where pushes were stripped"
	case last == "git_changesets" && d.Kind == damage.Removed, last == "git_changesets[]" && d.Kind == damage.Null:
		return "a changeset need not be in git"
	case last == "changesets" && d.Kind == damage.Reordered:
		return "without their parents, changesets may be in any order"
	case last == "changesets[]" && d.Kind == damage.Dropped:
		return "a push may have a changeset less"
	case last == "changesets" && d.Kind == damage.Empty:
		return "the changesets of a push may all be obsolete"
	case last == "parents" && d.Kind == damage.Reordered:
		return "a merge's parents may be the other way round"
	case last == "parents[]" && d.Kind == damage.Dropped:
		return "a changeset may have one parent"
	case last == "backedoutby" && d.Kind == damage.Removed:
		return "a changeset need not have been backed out"
	case (last == "pushlog_pushes[]" || last == "pushlog_pushes" || last == "heads[]" || last == "heads") &&
		(d.Kind == damage.Dropped || d.Kind == damage.Empty):
		return "a message may be about any number of pushes and heads"
	}
	return ""
}
