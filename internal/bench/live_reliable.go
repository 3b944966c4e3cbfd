package main

import (
	"errors"
	"io"
	"os"
)

func reliability(*bay) {}

// liveChild is a process of subject live.
func liveChild(kind string, args []string) int {
	go endWithParent()
	switch {
	case kind == "wait" && len(args) == 3:
		return waitChild(args)
	}
	return fail(errLiveChild)
}

var errLiveChild = errors.New("not a child of subject live")

// endWithParent ends this process with the one that started it, which holds the other
// end of its input.
func endWithParent() {
	_, _ = io.Copy(io.Discard, os.Stdin)
	os.Exit(4)
}
