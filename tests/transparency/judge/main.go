// Checks a log's folder with Go's own implementation of the transparency log (golang.org/x/mod/sumdb), not ours.
// judge FOLDER VERIFIER [OLD_CHECKPOINT]: every tile against the signed checkpoint, every entry against its leaf,
// and that the tree continues an older one.
package main

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// The C2SP layout leaves the tile height out of the path; Go's puts it behind "tile/".
type folder struct{ path string }

func (f folder) Height() int { return 8 }

func (f folder) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var found [][]byte
	for _, tile := range tiles {
		path := strings.Replace(tile.Path(), "tile/8/", "tile/", 1)
		content, err := os.ReadFile(filepath.Join(f.path, path))
		if err != nil && tile.W < 256 {
			full := tile
			full.W = 256
			content, err = os.ReadFile(filepath.Join(f.path, strings.Replace(full.Path(), "tile/8/", "tile/", 1)))
			if err == nil {
				content = content[:tile.W*tlog.HashSize]
			}
		}
		if err != nil {
			return nil, err
		}
		found = append(found, content)
	}
	return found, nil
}

func (f folder) SaveTiles([]tlog.Tile, [][]byte) {}

func open(raw []byte, key string) tlog.Tree {
	verifier, err := note.NewVerifier(key)
	fail(err)
	opened, err := note.Open(raw, note.VerifierList(verifier))
	fail(err)
	lines := strings.SplitN(opened.Text, "\n", 4)
	var size int64
	_, err = fmt.Sscan(lines[1], &size)
	fail(err)
	root, err := tlog.ParseHash(lines[2])
	fail(err)
	return tlog.Tree{N: size, Hash: root}
}

func entries(path string, size int64) [][]byte {
	var found [][]byte
	for n := int64(0); n*256 < size; n++ {
		width := int(size - n*256)
		if width > 256 {
			width = 256
		}
		tile := tlog.Tile{H: 8, L: -1, N: n, W: width}
		name := strings.Replace(tile.Path(), "tile/8/data/", "tile/entries/", 1)
		raw, err := os.ReadFile(filepath.Join(path, name))
		fail(err)
		for len(raw) > 0 {
			length := int(binary.BigEndian.Uint16(raw))
			found = append(found, raw[2:2+length])
			raw = raw[2+length:]
		}
	}
	return found
}

func main() {
	path, key := os.Args[1], os.Args[2]
	raw, err := os.ReadFile(filepath.Join(path, "checkpoint"))
	fail(err)
	tree := open(raw, key)
	reader := tlog.TileHashReader(tree, folder{path})
	for index, entry := range entries(path, tree.N) {
		proof, err := tlog.ProveRecord(tree.N, int64(index), reader)
		fail(err)
		fail(tlog.CheckRecord(proof, tree.N, tree.Hash, int64(index), tlog.RecordHash(entry)))
	}
	if len(os.Args) > 3 {
		older, err := os.ReadFile(os.Args[3])
		fail(err)
		old := open(older, key)
		proof, err := tlog.ProveTree(tree.N, old.N, reader)
		fail(err)
		fail(tlog.CheckTree(proof, tree.N, tree.Hash, old.N, old.Hash))
	}
	fmt.Printf("%d entries verified\n", tree.N)
}
