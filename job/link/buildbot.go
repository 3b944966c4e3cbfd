package link

import (
	"slices"
	"strings"

	"github.com/mozci/mozci/job"
)

// readBuildbot reads the pages of a Buildbot master. Since Buildbot 0.9 the address is
// in the fragment; mails leave out its slash. Buildbot 0.8 has it in the path, with the
// builder's name, and so has the API, with the builder's number:
//
//	#/builders/3/builds/17   #builders/3/builds/17   #/buildrequests/9
//	/builders/NAME/builds/17
//	/api/v2/builders/3/builds/17
func readBuildbot(p page) (Link, error) {
	parts := p.path
	switch {
	case len(p.path) == 0 || slices.Equal(p.path, []string{"index.html"}):
		parts = p.route
	case len(p.path) > 2 && p.path[0] == "api" && p.path[1] == "v2":
		parts = p.path[2:]
	}
	if len(parts) < 2 {
		return Link{}, errNoPage
	}
	var l Link
	var err error
	switch parts[0] {
	case "buildrequests":
		l.BuildRequest, err = integer("build request", parts[1], parts[1], 1, mostID)
		return l, err
	case "builders":
	default:
		return l, errNoPage
	}
	if l.Builder = parts[1]; job.Visible(l.Builder) != l.Builder || strings.TrimSpace(l.Builder) == "" {
		return l, invalid("builder %q: expected a number or a name", shown(l.Builder, mostValue))
	}
	if len(parts) > 3 && parts[2] == "builds" {
		l.Build, err = integer("build", parts[3], parts[3], 0, mostID)
	}
	return l, err
}
