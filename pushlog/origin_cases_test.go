package pushlog_test

import "github.com/mozci/mozci/internal/testing/hgtest"

// originCases are merges, and what looks like one, with where what they brought
// came from.
var originCases = []struct {
	name  string
	build func(s *hgtest.Server)
	want  []string
}{
	{"work of one's own", func(s *hgtest.Server) {
		grow(s, "mozilla-central", 9, 900, "m1 c0: Bug 1", "m2 m1: Bug 2")
	}, nil},
	{"a merge of two pushes", func(s *hgtest.Server) {
		grow(s, "autoland", 4, 400, "a4 c0: Bug 4")
		grow(s, "autoland", 5, 500, "a5 a4: Bug 5", "b5 a5: Bug 5")
		grow(s, "mozilla-central", 9, 900, "a4 c0: Bug 4", "a5 a4: Bug 5", "b5 a5: Bug 5",
			"m9 c1 b5: Merge autoland to mozilla-central. a=merge")
	}, []string{"autoland: 4 5"}},
	{"a merge of a single changeset", func(s *hgtest.Server) {
		grow(s, "autoland", 4, 400, "a4 c0: Bug 4")
		grow(s, "mozilla-central", 9, 900, "a4 c0: Bug 4", "m9 c1 a4: Merge autoland to central")
	}, []string{"autoland: 4"}},
	{"the message lies", func(s *hgtest.Server) {
		grow(s, "mozilla-inbound", 4, 400, "a4 c0: Bug 4")
		grow(s, "mozilla-central", 9, 900, "a4 c0: Bug 4", "m9 c1 a4: Merge autoland to mozilla-central")
	}, []string{"mozilla-inbound: 4"}},
	{"the earliest repository is the origin", func(s *hgtest.Server) {
		grow(s, "autoland", 4, 400, "a4 c0: Bug 4")
		grow(s, "mozilla-inbound", 7, 700, "a4 c0: Bug 4", "i7 i6 a4: Merge autoland to inbound")
		grow(s, "mozilla-central", 9, 900, "a4 c0: Bug 4", "m9 c1 a4: Merge m-i to m-c")
	}, []string{"autoland: 4"}},
	{"parents the other way round", func(s *hgtest.Server) {
		grow(s, "autoland", 4, 400, "a4 c0: Bug 4")
		grow(s, "mozilla-central", 9, 900, "a4 c0: Bug 4", "m9 a4 c1: Merge central into autoland, and back")
	}, []string{"autoland: 4"}},
	{"two merges in one push", func(s *hgtest.Server) {
		grow(s, "autoland", 4, 400, "a4 c0: Bug 4")
		grow(s, "mozilla-inbound", 5, 500, "i5 c0: Bug 5")
		grow(s, "mozilla-central", 9, 900, "a4 c0: Bug 4", "i5 c0: Bug 5", "m8 c1 a4: Merge autoland to m-c",
			"m9 m8 i5: Merge inbound to m-c")
	}, []string{"autoland: 4", "mozilla-inbound: 5"}},
	{"a merge back inside of a merge", func(s *hgtest.Server) {
		grow(s, "autoland", 4, 400, "a4 a3 c1: Merge mozilla-central to autoland", "a5 a4: Bug 5")
		grow(s, "mozilla-central", 9, 900, "a4 a3 c1: Merge mozilla-central to autoland", "a5 a4: Bug 5",
			"m9 c1 a5: Merge autoland to mozilla-central")
	}, []string{"autoland: 4"}},
	{"a move forward", func(s *hgtest.Server) {
		grow(s, "autoland", 4, 400, "a4 c0: Bug 4")
		grow(s, "autoland", 5, 500, "a5 a4: Bug 5")
		grow(s, "mozilla-central", 9, 900, "a4 c0: Bug 4", "a5 a4: Bug 5")
	}, []string{"autoland: 4 5"}},
	{"work that others merged later", func(s *hgtest.Server) {
		grow(s, "mozilla-central", 9, 900, "m9 c1: Bug 9")
		grow(s, "autoland", 4, 1400, "m9 c1: Bug 9", "a4 a3 m9: Merge mozilla-central to autoland")
	}, nil},
	{"a repository that is gone", func(s *hgtest.Server) {
		grow(s, "mozilla-central", 9, 900, "i5 c0: Bug 5", "m9 c1 i5: Merge fx-team to central, a=merge")
	}, []string{"fx-team: gone"}},
	{"a merge of work of one's own", func(s *hgtest.Server) {
		grow(s, "mozilla-central", 9, 900, "x1 c0: Bug 1", "x2 c0: Bug 2", "x3 x1 x2: Merge heads")
	}, nil},
	{"forward, and a merge of a third", func(s *hgtest.Server) {
		grow(s, "autoland", 4, 400, "a4 c1: Bug 4")
		grow(s, "mozilla-inbound", 5, 500, "i5 c0: Bug 5")
		grow(s, "mozilla-central", 9, 900, "a4 c1: Bug 4", "i5 c0: Bug 5", "m9 a4 i5: Merge inbound to m-c")
	}, []string{"autoland: 4", "mozilla-inbound: 5"}},
	{"forward, and work on top", func(s *hgtest.Server) {
		grow(s, "autoland", 4, 400, "a4 c1: Bug 4")
		grow(s, "autoland", 5, 500, "a5 a4: Bug 5", "b5 a5: Bug 5")
		grow(s, "mozilla-central", 9, 900, "a4 c1: Bug 4", "a5 a4: Bug 5", "b5 a5: Bug 5", "m8 b5: Bug 8",
			"m9 m8: Bug 9")
	}, []string{"autoland: 4 5"}},
	{"forward by a part of a push, and work on top", func(s *hgtest.Server) {
		grow(s, "autoland", 4, 400, "a4 c1: Bug 4", "b4 a4: Bug 4")
		grow(s, "mozilla-central", 9, 900, "a4 c1: Bug 4", "m9 a4: Bug 9")
	}, []string{"autoland: 4"}},
	{"forward to what one has more of than another", func(s *hgtest.Server) {
		grow(s, "autoland", 4, 400, "a4 c1: Bug 4")
		grow(s, "mozilla-inbound", 4, 450, "a4 c1: Bug 4", "i4 a4: Bug 4", "j4 i4: Bug 4")
		grow(s, "mozilla-central", 9, 900, "a4 c1: Bug 4", "i4 a4: Bug 4", "j4 i4: Bug 4", "m9 j4: Bug 9")
	}, []string{"mozilla-inbound: 4"}},
	{"forward to a part that another has now, and to what it had then", func(s *hgtest.Server) {
		grow(s, "autoland", 4, 400, "a4 c1: Bug 4")
		grow(s, "autoland", 5, 1400, "m8 a4: Bug 8", "m9 m8: Bug 9")
		grow(s, "mozilla-central", 9, 900, "a4 c1: Bug 4", "m8 a4: Bug 8", "m9 m8: Bug 9")
	}, []string{"autoland: 4"}},
	{"a merge of work on top of another's head", func(s *hgtest.Server) {
		grow(s, "autoland", 4, 400, "a4 c0: Bug 4")
		grow(s, "mozilla-central", 9, 900, "a4 c0: Bug 4", "x8 a4: Bug 8", "m9 c1 x8: Merge heads")
	}, []string{"autoland: 4"}},
	{"forward, merges inside, a merge, and work on top", func(s *hgtest.Server) {
		grow(s, "autoland", 4, 400, "a4 c1: Bug 4", "k4 k3: Bug k", "n4 a4 k4: Merge fx-team to autoland")
		grow(s, "mozilla-inbound", 5, 500, "i5 c0: Bug 5")
		grow(s, "mozilla-central", 9, 900, "a4 c1: Bug 4", "k4 k3: Bug k", "n4 a4 k4: Merge fx-team to autoland",
			"i5 c0: Bug 5", "m8 n4 i5: Merge inbound to m-c", "m9 m8: Bug 9")
	}, []string{"autoland: 4", "mozilla-inbound: 5"}},
	{"a repository that is gone, with work of one that is there", func(s *hgtest.Server) {
		grow(s, "autoland", 4, 400, "a4 c0: Bug 4")
		grow(s, "mozilla-central", 9, 900, "a4 c0: Bug 4", "f5 f4: Bug 5", "f6 f5 a4: Merge autoland to fx-team",
			"m9 c1 f6: Merge fx-team to central")
	}, []string{"autoland: 4", "fx-team: gone"}},
	{"an uplift has hashes of its own", func(s *hgtest.Server) {
		grow(s, "autoland", 4, 400, "a4 c0: Bug 4")
		grow(s, "mozilla-central", 9, 900, "u4 c1: Bug 4 a=uplift")
	}, nil},
	{"backed out and landed again", func(s *hgtest.Server) {
		grow(s, "autoland", 4, 400, "a4 c0: Bug 4")
		grow(s, "autoland", 5, 500, "a5 a4: Backed out changeset 613400000000 (bug 4)")
		grow(s, "autoland", 6, 600, "a6 a5: Bug 4, again")
		grow(s, "mozilla-central", 9, 900, "a4 c0: Bug 4", "a5 a4: Backed out", "a6 a5: Bug 4",
			"m9 c1 a6: Merge autoland to m-c")
	}, []string{"autoland: 4 5 6"}},
}
