package buildinfo

import (
	"runtime"
	"runtime/debug"
	"testing"
)

func TestRead(t *testing.T) {
	here := Info{Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH}
	with := func(f func(*Info)) Info {
		info := here
		f(&info)
		return info
	}
	vcs := []debug.BuildSetting{{Key: "vcs.revision", Value: "abc"}, {Key: "vcs.time", Value: "2026-11-28T12:00:00Z"}, {Key: "vcs.modified", Value: "true"}}
	for _, tt := range []struct {
		name string
		in   *debug.BuildInfo
		want Info
	}{
		{"no build info", nil, here},
		{"the program itself", &debug.BuildInfo{Main: debug.Module{Path: module, Version: "v1.2.3"}, Settings: vcs}, with(func(i *Info) {
			i.Version, i.Revision, i.Time, i.Modified = "v1.2.3", "abc", "2026-11-28T12:00:00Z", true
		})},
		{"a dependency has no revision", &debug.BuildInfo{
			Main: debug.Module{Path: "example.com/app", Version: "v9.0.0"}, Settings: vcs,
			Deps: []*debug.Module{{Path: "example.com/other", Version: "v8.0.0"}, {Path: module, Version: "v1.2.3"}},
		}, with(func(i *Info) { i.Version = "v1.2.3" })},
		{"a dependency that is replaced", &debug.BuildInfo{
			Main: debug.Module{Path: "example.com/app"},
			Deps: []*debug.Module{{Path: module, Version: "v1.2.3", Replace: &debug.Module{Path: "example.com/fork", Version: "v1.2.4"}}},
		}, with(func(i *Info) { i.Version = "v1.2.4" })},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := read(tt.in); got != tt.want {
				t.Errorf("read = %+v, want %+v", got, tt.want)
			}
		})
	}
}
