package handlers

import "testing"

func TestNegotiate_beforeSourceIsOpened(t *testing.T) {
	virtual(t, Config{}, silent, func(h *harness) {
		h.get("/", "Accept", "text/html").problem(406, "text/event-stream", "application/x-ndjson", "application/json", `"parameter":"Accept"`)
		h.get("/", "Accept", "application/json").problem(400, `"parameter":"take"`)
		h.get("/?take=none").problem(400, `"parameter":"take"`)
		if stats := h.srv.Stats(); len(stats.Routes) != 0 {
			t.Errorf("streams were opened: %+v", stats)
		}
	})
}
