package server

import (
	"net/http"
	"strings"

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/trigger/trychooser"
)

// configOf is the choice as a try_task_config.json.
func configOf(cat *catalogue, of []int) (string, error) {
	text, err := trychooser.TryTaskConfig(cat.labels(of), trychooser.SelectorFuzzy)
	return string(text), err
}

// syntaxOf is the choice in the old try syntax, with a note about what that line would choose
// instead: the syntax cannot name one test on one platform only. line is empty when none of the
// jobs has a platform and a suite to name.
func syntaxOf(cat *catalogue, of []int) (line, note string) {
	entries := make([]job.Runnable, len(cat.jobs))
	for i, j := range cat.jobs {
		entries[i] = j.Runnable
	}
	if line = trychooser.WriteTry(entries, cat.labels(of)); line == "" {
		return "", "None of these jobs is a build or a test that says its platform, " +
			"so the try syntax has no words for them."
	}
	return line, differs(entries, cat.labels(of), line)
}

// differs says how the jobs that a line of try syntax chooses differ from these labels. It reads
// the line back with mozci's own parser and compares. It is empty when they do not differ.
func differs(entries []job.Runnable, of []string, line string) string {
	try, err := trychooser.ParseTry(line)
	if err != nil {
		return "mozci cannot read it back: " + sentence(reasonText(err))
	}
	labels, _ := try.Choose(entries)
	wanted := map[string]bool{}
	for _, l := range of {
		wanted[l] = true
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

// copiesOf is the choice in the formats of other tools.
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

// chooserJSON answers with the choice as a try_task_config.json.
func (p *page) chooserJSON(w http.ResponseWriter, r *http.Request) {
	p.copied(w, r, "application/json", configOf)
}

// chooserSyntax answers with the choice in the old try syntax. The note about the difference is a
// second line, which try ignores.
func (p *page) chooserSyntax(w http.ResponseWriter, r *http.Request) {
	p.copied(w, r, "text/plain; charset=utf-8", func(cat *catalogue, of []int) (string, error) {
		line, note := syntaxOf(cat, of)
		return strings.TrimSpace(line+"\n"+note) + "\n", nil
	})
}

// copied answers with the choice that an address names, in a format that text writes.
func (p *page) copied(
	w http.ResponseWriter, r *http.Request, kind string, text func(*catalogue, []int) (string, error),
) {
	a, cat, err := p.openChooser(r)
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
