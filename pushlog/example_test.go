package pushlog_test

import (
	"context"
	"fmt"

	"github.com/mozci/mozci/internal/testing/hgtest"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/pushlog"
)

// The push that holds a changeset, and the one before it. A real program gives
// pushlog.DefaultURL and nil options.
func Example() {
	hg := hgtest.New()
	hg.Add("integration/autoland", 9, hgtest.Push{
		Date: 1795115656, User: "dev@mozilla.example",
		Changesets: []hgtest.Changeset{
			{Node: "08463e1e5b9e86ffcb4bff2e6d7b0b5449ed3aab"},
		},
	})
	hg.Add("integration/autoland", 10, hgtest.Push{
		Date: 1795115700, User: "dev@mozilla.example",
		Changesets: []hgtest.Changeset{
			{Node: "a062f26a3ad8e6005a564ef6f06012893523a1cc"}, {Node: "567d57332b25c9645bbf0957e04efaa1c83a11bd"},
		},
	})
	server, err := pushlog.New("https://hg.example", &pushlog.Options{HTTP: hgtest.Client(hg)})
	if err != nil {
		panic(err)
	}
	autoland := server.Repository("autoland")
	pushes, err := autoland.Pushes(context.Background(), job.Around("a062f26a3ad8", 1, 0))
	if err != nil {
		panic(err)
	}
	for _, p := range pushes {
		fmt.Println(p, p.Time.Format("2006-01-02 15:04"), len(p.Changesets))
	}
	// Output:
	// autoland 9 08463e1e5b9e 2026-11-19 19:14 1
	// autoland 10 567d57332b25 2026-11-19 19:15 2
}
