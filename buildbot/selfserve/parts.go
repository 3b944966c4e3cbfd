package selfserve

import (
	"regexp"
	"slices"
	"strings"

	"github.com/mozci/mozci/job"
)

// shortForms maps the platforms in the names of builds to the short names that allthethings.json
// has for them. The first form that matches counts, so special ones come before general ones.
var shortForms = []struct {
	form  *regexp.Regexp
	short string
}{
	{regexp.MustCompile(`^Linux$`), "linux"},
	{regexp.MustCompile(`^Linux x86-64$`), "linux64"},
	{regexp.MustCompile(`^Linux Code Coverage$`), "linux-cc"},
	{regexp.MustCompile(`^Linux x86-64 Code Coverage$`), "linux64-cc"},
	{regexp.MustCompile(`^Linux( x86-64)? Mulet$`), "linux64-mulet"},
	{regexp.MustCompile(`^OS X.* Mulet$`), "macosx64-mulet"},
	{regexp.MustCompile(`^OS X 10\.[0-5](\D|$)`), "macosx"},
	{regexp.MustCompile(`^OS X\b`), "macosx64"},
	{regexp.MustCompile(`^WINNT .*(x86-64|x64)$|^Win64$`), "win64"},
	{regexp.MustCompile(`^WINNT |^Win32$`), "win32"},
	{regexp.MustCompile(`^Android(?: \d\.\d)? x86$`), "android-x86"},
	{regexp.MustCompile(`^Android armv7 API (\d+)\+?$`), "android-api-$1"},
	{regexp.MustCompile(`^Android(?: \d\.\d)? Armv6$`), "android-armv6"},
	{regexp.MustCompile(`^Android(?: \d\.\d)? no-ionmonkey$`), "android-noion"},
	{regexp.MustCompile(`^Android`), "android"},
}

// made maps what is special about a build to the ending of its platform's short name: an asan
// build on linux64 is on linux64-asan.
var made = map[string]string{
	"asan": "-asan", "tsan": "-tsan", "static analysis": "-st-an",
}

// desktopForm matches B2G's two desktop builds of 2016; which one it is belongs to the platform.
var desktopForm = regexp.MustCompile(`^(graphene|horizon)_`)

// partsOf returns the parts of a builder that its name tells. A test's name has only the platform
// on which it runs; that of its build comes later, from [job.FillPlatforms].
func partsOf(builder string) job.Parts {
	n, err := ParseName(builder)
	if err != nil {
		return partsOfWords(builder)
	}
	p := job.Parts{BuildType: n.saidType(builder), Suite: n.Suite, Chunk: n.Chunk}
	switch n.Kind {
	case job.KindTest, job.KindPerf:
		p.TestPlatform = n.Platform
	default:
		p.Platform = n.short(builder)
	}
	return p
}

// partsOfWords returns what can be told from a name that cannot be read as a whole. The last word
// of a test's name is its suite.
func partsOfWords(builder string) job.Parts {
	p := job.Parts{BuildType: typeOfWords(builder)}
	if tests(builder) {
		p.Suite, p.Chunk = job.SplitChunk(builder[strings.LastIndexByte(builder, ' ')+1:])
	}
	return p
}

// saidType is opt, debug or pgo. ASan, TSan and code coverage count as platforms here, which may
// have builds of either type.
func (n Name) saidType(builder string) string {
	switch {
	case n.BuildType == "opt", n.BuildType == "debug", n.BuildType == "pgo":
		return n.BuildType
	case n.BuildType == "":
		return ""
	case slices.ContainsFunc(strings.Fields(builder), func(w string) bool { return w == "debug" || w == "leak" }):
		return "debug"
	}
	return "opt"
}

// short is the short name of a build's platform. For example "Linux x86-64" → linux64, with the
// suite "asan nightly" → linux64-asan; "Android armv7 API 11+" → android-api-11; "OS X 10.7" →
// macosx64.
func (n Name) short(builder string) string {
	at := n.Platform
	for _, v := range []string{" add-on-devel", " devedition", " Debug"} {
		at = strings.TrimSuffix(at, v)
	}
	for _, f := range shortForms {
		if m := f.form.FindStringSubmatchIndex(at); m != nil {
			at = string(f.form.ExpandString(nil, f.short, at, m))
			break
		}
	}
	if m := desktopForm.FindStringSubmatch(builder); m != nil {
		at += "_" + m[1]
	}
	word, _, _ := strings.Cut(n.Suite, " ")
	if n.Suite == "static analysis" {
		word = n.Suite
	}
	return at + made[word]
}

// typed matches the build type at the end of a platform in allthethings.json: linux64-debug is
// linux64 and debug.
var typed = regexp.MustCompile(`-(debug|pgo|opt)$`)

// Parts returns what a builder is made of. A build's platform comes from its properties, and so
// does its type when the name does not tell it. A test has the platform of the build that
// triggers it. For an unknown builder its name tells.
func (a *AllTheThings) Parts(builder string) job.Parts {
	b, known := a.builders[builder]
	p := partsOf(builder)
	if !known {
		return p
	}
	at := b.Properties.Platform
	if at == "" {
		at = b.Properties.StagePlatform
	}
	m := typed.FindStringSubmatch(at)
	if m != nil {
		at = strings.TrimSuffix(at, m[0])
	}
	if tests(builder) {
		var builds []job.Parts
		for _, u := range a.upstream[builder] {
			if !tests(u) { // a test that triggers another test has no platform to give
				builds = append(builds, a.Parts(u))
			}
		}
		if p = p.Testing(builds...); p.Platform != "" {
			return p
		}
	}
	if at != "" {
		p.Platform = at
	}
	if m != nil && (p.BuildType == "" || p.BuildType == "opt") {
		p.BuildType = m[1]
	}
	return p
}

// typeOfWords is the build type in a name that cannot be read as a whole; opt when it names none.
func typeOfWords(builder string) string {
	words := strings.FieldsFunc(builder, func(r rune) bool { return r == ' ' || r == '_' || r == '-' })
	for _, w := range words {
		switch w {
		case "debug", "leak":
			return "debug"
		case "pgo":
			return "pgo"
		}
	}
	return "opt"
}

// Catalog returns the builders that can run on a branch, sorted by name; "" means all branches.
func (a *AllTheThings) Catalog(branch string) []job.Runnable {
	var out []job.Runnable
	for name, b := range a.builders {
		if branch == "" || b.of(branch) {
			out = append(out, job.Runnable{
				Label: name, Kind: kindOf(name), Upstreams: a.Upstream(name), Parts: a.Parts(name),
			})
		}
	}
	slices.SortFunc(out, func(x, y job.Runnable) int { return strings.Compare(x.Label, y.Label) })
	return out
}
