# SPDX-License-Identifier: Apache-2.0
# Finds the mechanisms without a test vector (vectors.sh).
#
# Input: the module's mechanisms ("number name"), the reasons why some can have no vector, the tests that exist, and
# what they have recorded. -v page=1 prints the tables of docs/vectors.md instead of the verdict.
FNR == 1 { file++ }
file == 1 { name[$1] = $2; mechanisms[++count] = $2; next }
file == 2 && /^#|^$/ { next }
file == 2 { # CKM_NAME reason; "*" in the name stands for anything
  pattern[++patterns] = $1
  reason[patterns] = substr($0, length($1) + 2); next
}
file == 3 { exists[$1] = 1; next }
$2 == "begin" || !($1 in exists) || !($2 in name) { next }
{
  with_vector[name[$2]] = 1
  if (!(($3, name[$2]) in met)) met[$3, name[$2]] = 1
  if (!($3 in seen_file)) { seen_file[$3] = 1; files[++file_count] = $3 }
}

# Returns the first reason whose pattern matches the mechanism, or 0.
function reason_of(m, i, expression) {
  for (i = 1; i <= patterns; i++) {
    expression = pattern[i]
    gsub(/\*/, ".*", expression)
    if (m ~ "^" expression "$") return i
  }
  return 0
}
function row(first, list) {
  gsub(/^ /, "", list)
  gsub(/ /, ", ", list)
  gsub(/CKM_/, "", list)
  return "| " first " | " list " |"
}
END {
  for (i = 1; i <= count; i++) {
    m = mechanisms[i]
    r = reason_of(m)
    if (m in with_vector) {
      tested++
      if (r) { print m " has a vector, although: " reason[r]; bad = 1 }
    } else if (r) { absent++; without[r] = without[r] " " m }
    else { print "there is no vector for " m; bad = 1 }
  }
  for (i = 1; i <= patterns; i++)
    if (without[i] == "") { print "tests/data/conformance/vectors.txt: " pattern[i] " names no mechanism without a vector"; bad = 1 }
  if (!page) {
    print count " mechanisms: " tested + 0 " with vectors, " absent + 0 " that can have none"
    exit bad
  }
  if (bad) exit bad
  for (i = 2; i <= file_count; i++) # insertion sort: few
    for (j = i; j > 1 && files[j - 1] > files[j]; j--) { swap = files[j]; files[j] = files[j - 1]; files[j - 1] = swap }
  print "| data file | mechanisms |\n|---|---|"
  for (f = 1; f <= file_count; f++) {
    list = ""
    for (i = 1; i <= count; i++) if ((files[f], mechanisms[i]) in met) list = list " " mechanisms[i]
    print row("[" files[f] "](../tests/data/" files[f] ")", list)
  }
  print "\n" count " mechanisms: " tested + 0 " with vectors, " absent + 0 " that can have none:\n"
  print "| why there can be none | mechanisms |\n|---|---|"
  for (i = 1; i <= patterns; i++) print row(reason[i], without[i])
}
