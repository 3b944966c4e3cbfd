package server_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/mozci/mozci/backfill/server"
)

// chosenWorld is a push with suites on platforms in chunks, and some pushes before it on
// which most of them ran.
func chosenWorld() string {
	var head strings.Builder
	var labels []string
	head.WriteString("start 2026-11-20T00:00:00Z\n")
	for _, platform := range []string{"linux2404-64/opt", "linux2404-64/debug", "windows11-64/opt", "macosx1500-aarch64/opt"} {
		labels = append(labels, "build-"+platform)
		for _, suite := range []string{"xpcshell", "mochitest-browser-chrome", "reftest", "web-platform-tests"} {
			for chunk := 1; chunk <= 4; chunk++ {
				l := fmt.Sprintf("test-%s-%s-%d", platform, suite, chunk)
				labels = append(labels, l)
				fmt.Fprintf(&head, "takes %s %dm\n", l, 10*chunk)
			}
		}
	}
	labels = append(labels, "source-test-mozlint-eslint", "<b>odd</b>&label")
	head.WriteString("can test-linux2404-64/opt-cppunittest-1\n")
	head.WriteString("push " + strings.Join(labels, " ") + "\n")
	for i, word := range []string{"pass", "pass", "-"} {
		fmt.Fprintf(&head, "%d c0%02d %s\n", i+1, i+1, strings.Repeat(word+" ", len(labels)))
	}
	return head.String()
}

// The chooser over a world, in Chromium.
func TestChooserOverAWorld(t *testing.T) {
	s := serve(t, newPlaces(chosenWorld()), nil, unlimited)
	server.DriveChooser(t, s.url, s.token)
}
