package selfserve

// Kept is how much a client remembers, by what it is.
func (c *Client) Kept() map[string]int {
	return map[string]int{
		"dumps": c.dumps.there.Len(), "dumps that are not there": c.dumps.gone.Len(),
		"listings": c.listings.Len(), "names": c.names.Len(), "fetches": c.dumps.fetches.Len(),
	}
}
