package trychooser

import (
	"strconv"
	"strings"
)

// takes says whether an option takes a value.
type takes int

const (
	nothing  takes = iota
	perhaps        // "all", if it has none
	required       // without a value it is not understood
)

// option is an option of try syntax. The names are those of Firefox's parser, of mach and
// of the try chooser from the time of Buildbot.
type option struct {
	names string // separated by spaces
	takes takes
	set   func(t *Try, value string) bool // returns false if the value is not understood
}

// on returns an option without a value that sets a field.
func on(names string, field func(*Try) *bool) option {
	return option{names, nothing, func(t *Try, _ string) bool { *field(t) = true; return true }}
}

// suites returns an option that chooses tests.
func suites(names, as string, field func(*Try) *[]testWord) option {
	return option{names, perhaps, func(t *Try, value string) bool {
		*field(t) = t.testWords(as, value)
		return true
	}}
}

// times returns an option that sets a number of runs, 1 to maxRebuild.
func times(names string, field func(*Try) *int) option {
	return option{names, required, func(t *Try, value string) bool {
		n, err := strconv.Atoi(strings.TrimSpace(value))
		if err != nil || n < 1 || n > maxRebuild {
			return false
		}
		*field(t) = n
		return true
	}}
}

// emails returns an option that says who gets mail.
func emails(names, which string) option {
	return option{names, nothing, func(t *Try, _ string) bool { t.Emails = which; return true }}
}

// options returns all known options. It is a function and not a variable, because the
// options refer to methods that read them.
func options() []option {
	return []option{
		{"-b --build", required, func(t *Try, value string) bool { t.buildTypes(value); return true }},
		{"-p --platform --platforms", perhaps, func(t *Try, value string) bool { t.platformWords(value); return true }},
		suites("-u --unittests", suiteWord, func(t *Try) *[]testWord { return &t.unit }),
		suites("-t --talos", talosWord, func(t *Try) *[]testWord { return &t.talos }),
		suites("-r --raptor", raptorWord, func(t *Try) *[]testWord { return &t.raptor }),
		{"-j --job --jobs", required, func(t *Try, value string) bool {
			t.jobs = append(t.jobs, listed(value)...)
			return true
		}},
		times("--rebuild", func(t *Try) *int { return &t.Rebuild }),
		times("--rebuild-talos", func(t *Try) *int { return &t.RebuildTalos }),
		times("--rebuild-raptor", func(t *Try) *int { return &t.RebuildRaptor }),
		{"--setenv --env", required, func(t *Try, value string) bool {
			if name, _, ok := strings.Cut(value, "="); !ok || name == "" {
				return false
			}
			t.Env = append(t.Env, value)
			return true
		}},
		{"--tag", required, func(t *Try, value string) bool { t.Tag = value; return true }},
		emails("-e --all-emails", "all"),
		emails("-f --failure-emails", "failure"),
		emails("-n --no-emails", "none"),
		on("-i --interactive", func(t *Try) *bool { return &t.Interactive }),
		on("--gecko-profile --geckoProfile", func(t *Try) *bool { return &t.Profile }),
		on("--no-retry", func(t *Try) *bool { return &t.NoRetry }),
		on("--include-nightly", func(t *Try) *bool { return &t.IncludeNightly }),
		on("--artifact", func(t *Try) *bool { return &t.Artifact }),
		{"--no-artifact", nothing, func(t *Try, _ string) bool { t.Artifact = false; return true }},
		on("-w --taskcluster-worker", func(t *Try) *bool { return &t.TaskclusterOnly }),
	}
}

// read reads the words of a line as options with their values. Any other word is not
// understood.
func (t *Try) read(words []string) {
	known := options()
	for i := 0; i < len(words); i++ {
		said := words[i]
		if !isOption(known, said) {
			t.miss("word", said)
			continue
		}
		o, value, given, more := find(known, said)
		switch {
		case o == nil:
			t.miss("option", said)
			continue
		case more != "": // -ie is -i and -e
			words[i] = more
			i--
		case !given && o.takes != nothing && i+1 < len(words) && !isOption(known, words[i+1]):
			i++
			value, given = words[i], true
			said += " " + value
		}
		switch {
		case !given && o.takes == perhaps:
			value = all
		case !given && o.takes == required, given && o.takes == nothing:
			t.miss("option", said)
			continue
		}
		if !o.set(t, value) {
			t.miss("option", said)
		}
	}
}

// isOption reports whether a word is an option and not a value. As in Python's argparse,
// an unknown one that contains a space is a value.
func isOption(known []option, w string) bool {
	if len(w) < 2 || w[0] != '-' {
		return false
	}
	o, _, _, _ := find(known, w)
	return o != nil || !strings.Contains(w, " ")
}

// find returns the option that a word names: by its full name; by the beginning of a long
// name that no other option has (--reb is ambiguous, --plat is not); or as a short name
// with its value in the same word. The value may follow = or a short name (-plinux64).
// more is what is left of several short options in one word: of -ie it is -e.
func find(known []option, said string) (o *option, value string, given bool, more string) {
	name, value, given := strings.Cut(said, "=")
	var begun []*option
	for i := range known {
		for n := range strings.SplitSeq(known[i].names, " ") {
			if n == name {
				return &known[i], value, given, ""
			}
			if strings.HasPrefix(name, "--") && strings.HasPrefix(n, name) && len(name) > 2 &&
				(len(begun) == 0 || begun[len(begun)-1] != &known[i]) {
				begun = append(begun, &known[i])
			}
		}
	}
	if len(begun) == 1 {
		return begun[0], value, given, ""
	}
	if strings.HasPrefix(said, "--") || len(said) <= 2 {
		return nil, "", false, ""
	}
	for i := range known {
		for n := range strings.SplitSeq(known[i].names, " ") {
			switch {
			case n != said[:2]:
			case known[i].takes == nothing:
				return &known[i], "", false, "-" + said[2:]
			default:
				return &known[i], said[2:], true, ""
			}
		}
	}
	return nil, "", false, ""
}

// listed returns the words of a list with commas, without empty ones.
func listed(value string) []string {
	var out []string
	for w := range strings.SplitSeq(value, ",") {
		if w = strings.TrimSpace(w); w != "" {
			out = append(out, w)
		}
	}
	return out
}

// buildTypes reads the value of -b: letters, as in do for debug and opt, or words.
func (t *Try) buildTypes(value string) {
	t.types, t.typesSaid = nil, true
	for _, w := range listed(value) {
		switch w {
		case "opt", "debug", "pgo":
			t.types = append(t.types, word{w, w})
			continue
		}
		for _, c := range w {
			switch c {
			case 'o':
				t.types = append(t.types, word{"o", "opt"})
			case 'd':
				t.types = append(t.types, word{"d", "debug"})
			default:
				t.miss(typeWord, string(c))
			}
		}
	}
}

// platformWords reads the value of -p. full was Buildbot's word for all platforms, with
// those that only run on request.
func (t *Try) platformWords(value string) {
	t.platforms, t.everywhere = nil, false
	for _, w := range listed(value) {
		switch w {
		case all, "full":
			t.everywhere = true
		case none:
		default:
			t.platforms = append(t.platforms, w)
		}
	}
}
