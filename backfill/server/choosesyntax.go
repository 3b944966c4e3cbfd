package server

import (
	"cmp"
	"net/http"
	"slices"
	"strings"

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/trigger/trychooser"
)

// configOf is the choice as try_task_config.json.
func configOf(cat *catalogue, of []int) (string, error) {
	text, err := trychooser.TryTaskConfig(cat.labels(of), "fuzzy")
	return string(text), err
}

// syntaxOf is the choice in the old try syntax, and what that would choose otherwise: it
// has no words for one test on one platform alone. It is empty where the jobs have no
// parts to name.
func syntaxOf(cat *catalogue, of []int) (line, note string) {
	types, platforms, suites, perf := map[string]bool{}, map[string]bool{}, map[string]bool{}, map[string]bool{}
	for _, i := range of {
		j := cat.jobs[i]
		if p := cmp.Or(j.Platform, j.TestPlatform); p != "" && j.BuildType != "" {
			types[typeWord(j.BuildType)], platforms[p] = true, true
		}
		switch name := j.Name(); {
		case name == "", j.Kind == job.KindBuild:
		case j.Kind == job.KindPerf:
			perf[name] = true
		default:
			suites[name] = true
		}
	}
	if len(platforms) == 0 {
		return "", "None of these jobs says its platform, so the try syntax has no words for them."
	}
	line = "try: -b " + typesOf(types) + " -p " + joinedNames(platforms) + " -u " + joinedNames(suites) + " -t " +
		joinedNames(perf)
	return line, differs(cat, of, line)
}

// typeWord is how the try syntax calls a build type.
func typeWord(t string) string {
	switch t {
	case "opt":
		return "o"
	case "debug":
		return "d"
	}
	return t
}

func typesOf(types map[string]bool) string {
	names := sorted(types)
	if slices.ContainsFunc(names, func(n string) bool { return len(n) > 1 }) {
		return strings.Join(names, ",")
	}
	return strings.Join(names, "")
}

func joinedNames(of map[string]bool) string {
	if len(of) == 0 {
		return "none"
	}
	return strings.Join(sorted(of), ",")
}

func sorted(of map[string]bool) []string {
	out := make([]string, 0, len(of))
	for n := range of {
		out = append(out, n)
	}
	slices.Sort(out)
	return out
}

// differs says what a line of try syntax chooses otherwise than these jobs.
func differs(cat *catalogue, of []int, line string) string {
	try, err := trychooser.ParseTry(line)
	if err != nil {
		return "mozci cannot read it back: " + sentence(reasonText(err))
	}
	entries := make([]job.Runnable, len(cat.jobs))
	for i, j := range cat.jobs {
		entries[i] = j.Runnable
	}
	labels, _ := try.Choose(entries)
	wanted := map[string]bool{}
	for _, i := range of {
		wanted[cat.jobs[i].Label] = true
	}
	more := 0
	for _, l := range labels {
		if !wanted[l] {
			more++
		}
		delete(wanted, l)
	}
	var parts []string
	if more > 0 {
		parts = append(parts, count(more, "job")+" more")
	}
	if n := len(wanted); n > 0 {
		parts = append(parts, "not "+number(n)+" of these")
	}
	if len(parts) == 0 {
		return ""
	}
	return "On this push it chooses " + strings.Join(parts, ", and ") + ": the try syntax is less exact."
}

// copiesOf are the choice for other tools.
func copiesOf(cat *catalogue, of []int) (out []copyView) {
	text, err := configOf(cat, of)
	if err == nil {
		out = append(out, copyView{Name: "try_task_config.json", Text: text, Rows: 8})
	}
	line, note := syntaxOf(cat, of)
	if line != "" {
		out = append(out, copyView{Name: "Try syntax", Text: line, Note: note, Rows: 3})
	}
	return out
}

// chooserJSON answers the choice as try_task_config.json.
func (p *page) chooserJSON(w http.ResponseWriter, r *http.Request) {
	p.copied(w, r, "application/json", configOf)
}

// chooserSyntax answers it in the old try syntax; what that chooses otherwise is a second
// line, which try does not read.
func (p *page) chooserSyntax(w http.ResponseWriter, r *http.Request) {
	p.copied(w, r, "text/plain; charset=utf-8", func(cat *catalogue, of []int) (string, error) {
		line, note := syntaxOf(cat, of)
		return strings.TrimSpace(line+"\n"+note) + "\n", nil
	})
}

func (p *page) copied(
	w http.ResponseWriter, r *http.Request, kind string, text func(*catalogue, []int) (string, error),
) {
	a, err := readChooser(r.URL.Query())
	var cat *catalogue
	if err == nil {
		cat, err = p.o.Chooser.open(r.Context(), a.Project, a.Revision)
	}
	var out string
	if err == nil {
		var of []int
		if of, _, err = a.chosen(cat); err == nil {
			out, err = text(cat, of)
		}
	}
	if err != nil {
		p.fail(w, r, err)
		return
	}
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Cache-Control", "private, no-cache")
	_, _ = w.Write([]byte(out))
}
