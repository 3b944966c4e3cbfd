package selfserve

import (
	"regexp"
	"strings"

	"github.com/mozci/mozci/job"
)

// This file has the forms of builders' names that do not begin with a platform. Each function
// reads one form, and its comment has an example; false means that the name has another form.

// dashedRepo matches a repository in names whose words are separated by underscores. Only B2G's
// repositories have underscores themselves, such as mozilla-b2g34_v2_1s. The first choice comes
// first since the second would take only mozilla-b2g34 of it.
const dashedRepo = `(mozilla-b2g\d+(?:_v\d+(?:_\d+)*[a-z]?(?:_hd)?)?|[a-z][a-z0-9-]*)`

// In each form the groups are, from left to right, the words that its function uses:
//
//	locales   Firefox, mozilla-central, win32, 4
//	device    mozilla-inbound, flame-kk_eng-debug, periodic
//	hazard    linux64-br-haz, try, dep
//	jetpack   fx-team, ubuntu64-asan_vm, opt
//	release   mozilla-beta, "", macosx64, update_verify, 4
//	fuzzer    macosx64-lion
//	chore     mozilla-central, hg bundle
//
// for the names in the comments of the functions.
var (
	localesForm = regexp.MustCompile(`^(Firefox|Thunderbird|Fennec) ([a-z][a-z0-9_-]*) (\S+) ` +
		`(?:(?:nightly )?l10n(?: nightly| dep)?)(?:[ -](\d+)(?:/\d+)?)?$`)
	deviceForm = regexp.MustCompile(`^(?:b2g|graphene|horizon)_` + dashedRepo + `_([a-z][a-z0-9_-]*?)` +
		`[_ ](dep|nightly|periodic|non-?unified|build|localizer nightly)$`)
	hazardForm  = regexp.MustCompile(`^(linux(?:64|32)?-[a-z0-9]+-haz)_` + dashedRepo + `_(dep|nightly|periodic)$`)
	jetpackForm = regexp.MustCompile(`^jetpack-(.+?)-((?:ubuntu64-asan|[a-z0-9]+)(?:_[a-z0-9]+)?(?:-ix|-r\d)?)-` +
		`(opt|debug)$`)
	releaseForm = regexp.MustCompile(`^release-((?:mozilla-b2g\d+\w*?|(?:mozilla|comm)-[a-z0-9]+|[a-z0-9]+))[_-]` +
		`(?:(firefox|fennec|thunderbird|devedition)[_-])?` +
		`(?:((?:linux|macosx|win)(?:32|64)?|android(?:-[a-z0-9]+)*)_)?([a-z][a-z0-9_-]*?)(?:_(\d+)/\d+)?$`)
	fuzzerForm    = regexp.MustCompile(`^fuzzer-(\S+)$`)
	repoChoreForm = regexp.MustCompile(`^([a-z][a-z0-9_-]*) (hg bundle)$`)
)

// locales: "Firefox mozilla-central win32 l10n nightly-4".
func locales(name string) (Name, bool) {
	m := localesForm.FindStringSubmatch(name)
	if m == nil {
		return Name{}, false
	}
	product := map[string]string{"Firefox": "firefox", "Thunderbird": "thunderbird", "Fennec": "mobile"}[m[1]]
	return Name{
		Product: product, Platform: m[3], Repo: m[2], BuildType: "opt", Kind: job.KindBuild, Suite: "l10n",
		Chunk: number(m[4]),
	}, true
}

// device: "b2g_mozilla-inbound_flame-kk_eng-debug_periodic". The device, flame-kk here, may be
// any word: there were many, and nothing depends on which it is.
func device(name string) (Name, bool) {
	m := deviceForm.FindStringSubmatch(name)
	if m == nil {
		return Name{}, false
	}
	platform, debug := strings.CutSuffix(m[2], "-debug")
	n := Name{
		Product: "b2g", Platform: platform, Repo: m[1], BuildType: "opt", Kind: job.KindBuild, Suite: m[3],
	}
	if debug {
		n.BuildType = "debug"
	}
	return n, true
}

// hazard: "linux64-br-haz_try_dep".
func hazard(name string) (Name, bool) {
	m := hazardForm.FindStringSubmatch(name)
	if m == nil {
		return Name{}, false
	}
	return Name{
		Product: "firefox", Platform: m[1], Repo: m[2], BuildType: "opt", Kind: job.KindBuild, Suite: m[3],
	}, true
}

// jetpack: "jetpack-fx-team-ubuntu64-asan_vm-opt".
func jetpack(name string) (Name, bool) {
	m := jetpackForm.FindStringSubmatch(name)
	if m == nil {
		return Name{}, false
	}
	if strings.Contains(m[2], "asan") {
		m[3] = "asan"
	}
	return Name{
		Product: "firefox", Platform: m[2], Repo: m[1], BuildType: m[3], Kind: job.KindTest, Suite: "jetpack",
	}, true
}

// release: "release-mozilla-beta-macosx64_update_verify_4/6".
func release(name string) (Name, bool) {
	m := releaseForm.FindStringSubmatch(name)
	if m == nil {
		return Name{}, false
	}
	n := Name{
		Product: "firefox", Platform: m[3], Repo: m[1], BuildType: "opt", Kind: job.KindOther, Suite: m[4],
		Chunk: number(m[5]),
	}
	switch {
	case m[2] == "fennec":
		n.Product = "mobile"
	case m[2] == "thunderbird", strings.HasPrefix(n.Repo, "comm-"):
		n.Product = "thunderbird"
	}
	return n, true
}

// fuzzer: "fuzzer-macosx64-lion".
func fuzzer(name string) (Name, bool) {
	m := fuzzerForm.FindStringSubmatch(name)
	if m == nil {
		return Name{}, false
	}
	return Name{Product: "firefox", Platform: m[1], Kind: job.KindOther, Suite: "fuzzer"}, true
}

// chore: "mozilla-central hg bundle".
func chore(name string) (Name, bool) {
	m := repoChoreForm.FindStringSubmatch(name)
	if m == nil {
		return Name{}, false
	}
	return Name{
		Product: product(false, "", m[1]), Repo: m[1], BuildType: "opt", Kind: job.KindOther, Suite: m[2],
	}, true
}
