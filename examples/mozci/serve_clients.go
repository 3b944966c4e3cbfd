package main

import (
	"sync"

	"github.com/mozci/mozci/buildbot"
	"github.com/mozci/mozci/buildbot/selfserve"
	"github.com/mozci/mozci/job/treeherder"
	"github.com/mozci/mozci/pushlog"
	"github.com/mozci/mozci/taskcluster"
)

// clients are those of the services, one each, with what they keep: for all projects of a
// program that has several.
type clients struct {
	mu          sync.Mutex
	taskcluster *taskcluster.Client
	treeherder  *treeherder.Server
	hg          *pushlog.Server
	buildbot    *buildbot.Client
	selfserve   *selfserve.Client
}

// share is the client that is there, or a new one. Making one asks nothing, so that of two
// made at once one may be forgotten.
func share[T any](c *clients, of func(*clients) **T, fresh func() (*T, error)) (*T, error) {
	if c == nil {
		return fresh()
	}
	c.mu.Lock()
	known := *of(c)
	c.mu.Unlock()
	if known != nil {
		return known, nil
	}
	made, err := fresh()
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if known = *of(c); known == nil {
		known = made
		*of(c) = made
	}
	return known, nil
}
