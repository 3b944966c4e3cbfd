package recorded

import (
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"

	"github.com/mozci/mozci/job/contract"
)

// Finding is what was found at one path of the items of an endpoint.
type Finding struct {
	Source string // the endpoint: "treeherder/jobs"
	contract.Finding
	Item  Item // the first in which it was found
	Count int  // how often it was found
}

// Checker holds items to the contracts of sources. Make one with the endpoints, call
// Check for each item, and then read what was found.
type Checker struct {
	Endpoints []contract.Any
	As        string // the endpoint of plain files; empty: by name and table

	Checked map[string]int // items by endpoint
	Refused int            // answers of refusal and redirects, which have no contract
	// Skipped says how many items of which file no endpoint is known for, and why.
	Skipped []Skipped

	found []*Finding
	seen  map[string]*Finding
}

// Lookup finds an endpoint by its title or, where only one has it, by its name.
func (c *Checker) Lookup(name string) (contract.Any, error) {
	var found []contract.Any
	var titles []string
	for _, e := range c.Endpoints {
		titles = append(titles, e.Title())
		_, short, _ := strings.Cut(e.Title(), "/")
		if e.Title() == name {
			return e, nil
		}
		if short == name {
			found = append(found, e)
		}
	}
	if len(found) == 1 {
		return found[0], nil
	}
	slices.Sort(titles)
	return nil, fmt.Errorf("no endpoint %q; there are %s", name, strings.Join(titles, ", "))
}

// Check holds one item to its contract.
func (c *Checker) Check(i Item) error {
	if i.Status >= 300 || i.Status == http.StatusNoContent {
		c.Refused++
		return nil
	}
	of, why, err := c.endpoint(i)
	if err != nil {
		return err
	}
	if of == nil {
		c.skip(i.File, why)
		return nil
	}
	if c.Checked == nil {
		c.Checked, c.seen = map[string]int{}, map[string]*Finding{}
	}
	c.Checked[of.Title()]++
	for _, f := range of.Check(contract.Asked{URL: i.URL, Body: i.Asked}, i.Body) {
		c.add(of.Title(), f, i)
	}
	return nil
}

// Skipped are items of a file.
type Skipped struct {
	File  string
	Why   string
	Items int
}

func (c *Checker) skip(file, why string) {
	if n := len(c.Skipped); n > 0 && c.Skipped[n-1].File == file && c.Skipped[n-1].Why == why {
		c.Skipped[n-1].Items++
		return
	}
	c.Skipped = append(c.Skipped, Skipped{file, why, 1})
}

// add counts what was found before at the same path of another item.
func (c *Checker) add(source string, f contract.Finding, i Item) {
	key := strings.Join([]string{source, f.Field(), string(f.Kind), f.Detail}, "\x00")
	if known, ok := c.seen[key]; ok {
		known.Count++
		return
	}
	c.seen[key] = &Finding{Source: source, Finding: f, Item: i, Count: 1}
	c.found = append(c.found, c.seen[key])
}

// Found is what was found, in the order of the items.
func (c *Checker) Found() []*Finding { return c.found }

// endpoint is what an item is; nil, and why, where nobody knows.
func (c *Checker) endpoint(i Item) (of contract.Any, why string, err error) {
	switch {
	case i.Expected || strings.HasSuffix(strings.TrimSuffix(i.File, ".gz"), ".expected.json"):
		return nil, "what is expected is no answer", nil
	case i.URL != "":
		address := i.URL
		if !hasPath(address) {
			return nil, "its URL is none", nil
		}
		return c.only(func(e contract.Any) bool { return e.Answers(i.Method, address) }, "its URL")
	case i.Exchange != "":
		return c.only(func(e contract.Any) bool { return e.Carries(i.Exchange) }, "its exchange")
	case c.As != "":
		of, err = c.Lookup(c.As)
		return of, "", err
	}
	base := strings.TrimSuffix(filepath.Base(i.File), ".gz")
	of, why, err = c.only(func(e contract.Any) bool { return e.Describes(base) }, "its name")
	if of == nil && i.About != "" {
		return c.only(func(e contract.Any) bool { return e.Describes(i.About) }, "its row in the table")
	}
	return of, why, err
}

func hasPath(address string) bool {
	u, err := url.Parse(address)
	return err == nil && u.Path != ""
}

// only is the one endpoint for which is says yes.
func (c *Checker) only(is func(contract.Any) bool, by string) (contract.Any, string, error) {
	var found contract.Any
	for _, e := range c.Endpoints {
		if !is(e) {
			continue
		}
		if found != nil {
			return nil, fmt.Sprintf("%s fits %s and %s", by, found.Title(), e.Title()), nil
		}
		found = e
	}
	if found == nil {
		return nil, by + " is that of no known endpoint", nil
	}
	return found, "", nil
}
