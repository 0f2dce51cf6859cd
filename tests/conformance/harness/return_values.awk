# SPDX-License-Identifier: Apache-2.0
# Finds the return values that PKCS#11 3.2 lists and no test has produced (return_values.sh).
#
# Input: the standard's lists with the reasons why some values cannot occur, then the records of the tests. -v page=1
# prints the table of docs/return-values.md instead of the verdict.
FNR == 1 { file++ }
file == 1 && /^#|^$/ { next }
file == 1 && $1 == "never" { # never FUNCTION|* VALUE reason; "*": whatever function lists it
  reason[$2, $3] = substr($0, index($0, $4)); next
}
file == 1 && $1 == "also" { also[$2, $3] = substr($0, index($0, $4)); next }
file == 1 {
  functions[++count] = $1
  for (i = 2; i <= NF; i++) listed[$1, $i] = 1
  values[$1] = substr($0, length($1) + 2); next
}
$2 == "begin" { delete latest[$1]; run[$1]++; next }
{ sub(/^CKR_/, "", $3); lines[++n] = $1 SUBSEP run[$1] SUBSEP $2 SUBSEP $3 }

function explain(f, v) {
  if ((f, v) in reason) return reason[f, v]
  return ("*", v) in reason ? reason["*", v] : ""
}
END {
  for (i = 1; i <= n; i++) { # only the last run of each test counts
    split(lines[i], part, SUBSEP)
    if (part[2] == run[part[1]]) seen[part[3], part[4]] = 1
  }
  for (i = 1; i <= count; i++) {
    f = functions[i]
    met = absent = ""
    k = split(values[f], list, " ")
    for (j = 1; j <= k; j++) {
      v = list[j]
      if ((f, v) in seen) {
        met = met " " v
        if ((f, v) in reason) { print f " has returned CKR_" v ", although: " reason[f, v]; bad = 1 }
      } else if (explain(f, v) != "") absent = absent " " v
      else { print f " lists CKR_" v ", and no test has produced it"; bad = 1 }
    }
    extra = ""
    for (key in seen) {
      split(key, part, SUBSEP)
      if (part[1] != f || (f, part[2]) in listed) continue
      extra = extra " " part[2]
    }
    m = split(extra, e, " ")
    delete sorted
    for (j = 1; j <= m; j++) { # insertion sort: few
      for (q = j; q > 1 && sorted[q - 1] > e[j]; q--) sorted[q] = sorted[q - 1]
      sorted[q] = e[j]
    }
    extra = ""
    for (j = 1; j <= m; j++) {
      extra = extra " " sorted[j]
      if (!((f, sorted[j]) in also) && !(("*", sorted[j]) in also)) {
        print f " has returned CKR_" sorted[j] ", which its section does not list"; bad = 1
      }
    }
    if (page) {
      gsub(/^ /, "", met); gsub(/^ /, "", absent); gsub(/^ /, "", extra)
      gsub(/ /, ", ", met); gsub(/ /, ", ", absent); gsub(/ /, ", ", extra)
      table[i] = "| " f " | " met " | " absent " | " extra " |"
    }
    all += k
    split(met, words, /[ ,]+/)
    for (j in words) if (words[j] != "") reached++
  }
  if (page && !bad) {
    for (i = 1; i <= count; i++) print table[i]
  }
  exit bad
}
