#!/bin/sh
# Which neighbouring words of a text belong together? Counts every pair of neighbours, then shuffles the words many
# times over and counts again: what is much more frequent in the text than in any shuffle is no chance.
# The input is a file: alice.txt lies here, any other is named by its absolute path.
set -eu
text=${1:-alice.txt}
[ -r "$text" ] || { echo "cannot read $text: give alice.txt, or the absolute path of a text file" >&2; exit 1; }

# One word a line, in lower case; then all of it in awk.
tr -cs "A-Za-z'" '\n' < "$text" | tr 'A-Z' 'a-z' | awk -v shuffles="${SHUFFLES:-400}" '
  length($0) > 1 { word[n++] = $0 }
  END {
    if (n < 2) { print "there are no two words in it" > "/dev/stderr"; exit 1 }
    for (i = 1; i < n; i++) if (seen[word[i - 1] " " word[i]]++ == 0) distinct++
    printf "%d words, %d different pairs\n", n, distinct
    fflush()

    for (pair in seen) if (seen[pair] >= 5) wanted[pair] = 1
    srand(1)
    for (s = 1; s <= shuffles; s++) {
      for (i = n - 1; i > 0; i--) { j = int(rand() * (i + 1)); w = word[i]; word[i] = word[j]; word[j] = w }
      split("", now)
      for (i = 1; i < n; i++) { pair = word[i - 1] " " word[i]; if (pair in wanted) now[pair]++ }
      for (pair in now) { sum[pair] += now[pair]; if (now[pair] > most[pair]) most[pair] = now[pair] }
      if (s % 50 == 0) { printf "shuffled %d of %d times\n", s, shuffles; fflush() }
    }

    for (top = 1; top <= 12; top++) {
      best = ""
      for (pair in wanted) {
        gain = seen[pair] - most[pair]
        if (best == "" || gain > best_gain || (gain == best_gain && pair < best)) { best = pair; best_gain = gain }
      }
      if (best == "" || best_gain <= 0) break
      printf "%-16s %4d times, %6.1f by chance\n", best, seen[best], sum[best] / shuffles
      delete wanted[best]
    }
  }'
