/* SPDX-License-Identifier: Apache-2.0 */
/* The shim to RE2. A pattern is compiled as it is given, with options and an anchor: text put around it would let "a)(b" pass. */
#include <re2/filtered_re2.h>
#include <re2/re2.h>

#include <memory>
#include <string>
#include <vector>

extern "C" {
#include "base/utf8.h"
#include "codec/regex.h"
}

enum { GROUP_NUMBER_MAX = 1000 };
enum { NEEDLE_BYTES_MIN = 3, NEEDLE_BYTES_LONG = 6, NEEDLES_FEW = 4, NEEDLES_MAX = 16, NEEDLE_ATOMS_MAX = 64 };

struct regex {
    std::unique_ptr<re2::RE2> re;
    re2::RE2::Anchor anchor;
    std::vector<std::string> names; /* of group 1.. */
    std::string prefix;
    std::vector<std::string> literals;
    std::vector<slice> literal_slices;
};

static re2::StringPiece piece(struct slice s)
{
    return re2::StringPiece(s.ptr, s.len);
}

/* "a|b|c" of plain characters and escaped punctuation; anything else is no list of literals. */
static void find_literals(struct slice pattern, std::vector<std::string> *out)
{
    std::string one;
    for (size_t i = 0; i < pattern.len; i++) {
        char c = pattern.ptr[i];
        if (c == '|') {
            out->push_back(one);
            one.clear();
        } else if (c == '\\' && i + 1 < pattern.len && ispunct((unsigned char)pattern.ptr[i + 1])) {
            one += pattern.ptr[++i];
        } else if (strchr("\\.+*?()[]{}^$", c)) {
            out->clear();
            return;
        } else {
            one += c;
        }
    }
    out->push_back(one);
}

/* The literal characters a pattern without alternatives begins with. */
static std::string find_prefix(struct slice pattern)
{
    std::string out;
    for (size_t i = 0; i < pattern.len; i++)
        if (pattern.ptr[i] == '|' || pattern.ptr[i] == '(')
            return pattern.ptr[i] == '|' || memchr(pattern.ptr, '|', pattern.len) ? std::string() : out;
        else if (strchr("\\.+[{^$)]}", pattern.ptr[i]) || pattern.ptr[i] == '*' || pattern.ptr[i] == '?') {
            if (memchr(pattern.ptr + i, '|', pattern.len - i))
                return std::string();
            if (!out.empty() && strchr("*?{", pattern.ptr[i])) {
                while (out.size() > 1 && ((unsigned char)out.back() & 0xc0) == 0x80) /* the whole character is repeated */
                    out.pop_back();
                out.pop_back();
            }
            return out;
        } else
            out += pattern.ptr[i];
    return out;
}

/* Go takes (?<name>...) for (?P<name>...) since 1.22; this RE2 knows the second only. */
static std::string with_old_names(struct slice pattern)
{
    std::string out;
    bool in_class = false;
    for (size_t i = 0; i < pattern.len; i++) {
        char c = pattern.ptr[i];
        out += c;
        if (c == '\\' && i + 1 < pattern.len)
            out += pattern.ptr[++i];
        else if (c == '[')
            in_class = true;
        else if (c == ']')
            in_class = false;
        else if (!in_class && c == '(' && i + 3 < pattern.len && memcmp(pattern.ptr + i, "(?<", 3) == 0 &&
                 (isalpha((unsigned char)pattern.ptr[i + 3]) || pattern.ptr[i + 3] == '_')) {
            out += "?P<";
            i += 2;
        }
    }
    return out;
}

extern "C" enum status regex_compile(struct regex **out, struct slice pattern, unsigned flags, struct err *err)
{
    if (pattern.len > REGEX_PATTERN_BYTES_MAX)
        return err_set(err, ST_LIMIT, "regular expression of %zu bytes, at most %d are allowed", pattern.len, (int)REGEX_PATTERN_BYTES_MAX);
    re2::RE2::Options options;
    options.set_log_errors(false);
    options.set_max_mem(REGEX_MEMORY_BYTES_MAX);
    options.set_case_sensitive(!(flags & REGEX_NOCASE));
    options.set_dot_nl(flags & (REGEX_ANCHORED | REGEX_DOTALL));
    auto re = std::make_unique<re2::RE2>(with_old_names(pattern), options);
    if (!re->ok())
        return err_set(err, ST_INVALID, "invalid regular expression \"%.*s\": %s", (int)std::min(pattern.len, (size_t)200), pattern.ptr,
                       re->error().c_str());
    regex *r = new regex;
    r->names.resize((size_t)re->NumberOfCapturingGroups());
    for (const auto &name : re->CapturingGroupNames())
        r->names[(size_t)name.first - 1] = name.second;
    r->re = std::move(re);
    r->anchor = flags & REGEX_ANCHORED ? re2::RE2::ANCHOR_BOTH : re2::RE2::UNANCHORED;
    if (!(flags & REGEX_NOCASE)) {
        find_literals(pattern, &r->literals);
        r->prefix = find_prefix(pattern);
    }
    for (const auto &l : r->literals)
        r->literal_slices.push_back(slice{ l.data(), l.size() });
    *out = r;
    return ST_OK;
}

extern "C" void regex_free(struct regex *re)
{
    delete re;
}

extern "C" size_t regex_size(const struct regex *re)
{
    return (size_t)re->re->ProgramSize();
}

extern "C" bool regex_match(const struct regex *re, struct slice text)
{
    return re->re->Match(piece(text), 0, text.len, re->anchor, nullptr, 0);
}

extern "C" bool regex_find(const struct regex *re, struct slice text, size_t from, struct slice *groups, size_t count)
{
    re2::StringPiece found[REGEX_GROUPS_MAX + 1];
    count = std::min(count, (size_t)REGEX_GROUPS_MAX + 1);
    int n = (int)std::min(count, re->names.size() + 1);
    if (from > text.len || !re->re->Match(piece(text), from, text.len, re->anchor, found, n))
        return false;
    for (size_t i = 0; i < count; i++)
        groups[i] = (int)i < n ? slice{ found[i].data(), found[i].size() } : slice{ nullptr, 0 };
    return true;
}

extern "C" size_t regex_group_count(const struct regex *re)
{
    return re->names.size();
}

extern "C" struct slice regex_group_name(const struct regex *re, size_t i)
{
    if (i == 0 || i > re->names.size())
        return slice{ "", 0 };
    return slice{ re->names[i - 1].data(), re->names[i - 1].size() };
}

static bool is_word(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static void put_group(const struct regex *re, struct slice name, const struct slice *groups, size_t count, struct buf *out)
{
    size_t index = 0;
    bool number = name.len == 1 || name.ptr[0] != '0'; /* "01" is a name */
    for (size_t i = 0; i < name.len && number; i++) {
        number = name.ptr[i] >= '0' && name.ptr[i] <= '9' && index < GROUP_NUMBER_MAX;
        index = index * 10 + (size_t)(name.ptr[i] - '0');
    }
    if (!number) {
        index = count;
        for (size_t i = 0; i < re->names.size(); i++)
            if (slice_eq(slice{ re->names[i].data(), re->names[i].size() }, name))
                index = i + 1;
    }
    if (index < count && groups[index].ptr)
        buf_slice(out, groups[index]);
}

extern "C" void regex_expand(const struct regex *re, struct slice t, const struct slice *groups, size_t count, struct buf *out)
{
    for (size_t i = 0; i < t.len; i++) {
        if (t.ptr[i] != '$' || i + 1 == t.len) {
            buf_char(out, t.ptr[i]);
            continue;
        }
        size_t start = i + 1, end;
        if (t.ptr[start] == '$') {
            buf_char(out, '$');
            i++;
            continue;
        }
        bool braced = t.ptr[start] == '{';
        for (end = start + braced; end < t.len && is_word(t.ptr[end]); end++)
            ;
        if (end == start + braced || (braced && (end == t.len || t.ptr[end] != '}'))) {
            buf_char(out, '$');
            continue;
        }
        put_group(re, slice_sub(t, start + braced, end), groups, count, out);
        i = braced ? end : end - 1;
    }
}

/* As Go has it: an empty match right behind another match does not count, and one steps over whole characters. */
extern "C" void regex_replace_all(const struct regex *re, struct slice text, struct slice t, struct buf *out)
{
    struct slice groups[REGEX_GROUPS_MAX + 1];
    size_t at = 0, copied = 0, last_end = SIZE_MAX, count = std::min(re->names.size() + 1, (size_t)REGEX_GROUPS_MAX + 1);
    while (at <= text.len && regex_find(re, text, at, groups, count)) {
        size_t start = (size_t)(groups[0].ptr - text.ptr), end = start + groups[0].len;
        if (start != end || start != last_end) {
            buf_slice(out, slice_sub(text, copied, start));
            regex_expand(re, t, groups, count, out);
            copied = last_end = end;
        }
        at = end;
        if (start == end)
            at += std::max(utf8_char(slice_skip(text, end)), (size_t)1);
    }
    buf_slice(out, slice_skip(text, copied));
}

extern "C" struct slice regex_prefix(const struct regex *re)
{
    return slice{ re->prefix.data(), re->prefix.size() };
}

/* Could letters of ASCII stand for others, as k does for the sign of Kelvin when case is left aside? */
static bool may_fold(const re2::RE2 &re)
{
    const std::string &p = re.pattern();
    if (!re.options().case_sensitive())
        return true;
    for (size_t i = 0; i < p.size(); i++) {
        if ((unsigned char)p[i] >= 0x80)
            return true;
        if (p[i] == '\\' && i + 1 < p.size() && !ispunct((unsigned char)p[i + 1]) && !strchr("dDsSwWbBtnrfvAz", p[i + 1]))
            return true;
        if (p.compare(i, 2, "(?") == 0 && p.find_first_not_of("imsU-", i + 2) > p.find('i', i + 2))
            return true;
    }
    return false;
}

static bool has_capital(const std::string &s)
{
    for (char c : s)
        if (c >= 'A' && c <= 'Z')
            return true;
    return false;
}

/* The longest run of ASCII. */
static std::string ascii_of(const std::string &s)
{
    std::string best, run;
    for (char c : s) {
        run = (unsigned char)c < 0x80 ? run + c : std::string();
        if (run.size() > best.size())
            best = run;
    }
    return best;
}

/* What all of them begin with, or end with: the longer. */
static std::string common_of(const std::vector<std::string> &list)
{
    size_t front = list[0].size(), back = front;
    for (const auto &s : list) {
        size_t i = 0, k = 0;
        while (i < std::min(front, s.size()) && s[i] == list[0][i])
            i++;
        while (k < std::min(back, s.size()) && s[s.size() - 1 - k] == list[0][list[0].size() - 1 - k])
            k++;
        front = i;
        back = k;
    }
    return front >= back ? list[0].substr(0, front) : list[0].substr(list[0].size() - back);
}

/* What RE2 says is in every match, in small letters: the longest text that no match can be without, or what a list of which each match
 * has one has in common, or the list. Empty: nothing. */
static std::vector<std::string> find_needles(const re2::RE2 &re)
{
    std::vector<std::string> atoms, out;
    re2::FilteredRE2 filter(NEEDLE_BYTES_MIN);
    int id;
    if (filter.Add(re.pattern(), re.options(), &id) != re2::RE2::NoError)
        return out;
    filter.Compile(&atoms);
    std::vector<int> potentials;
    filter.AllPotentials({}, &potentials);
    if (atoms.empty() || atoms.size() > NEEDLE_ATOMS_MAX || !potentials.empty())
        return out;
    std::string best;
    for (size_t k = 0; k < atoms.size(); k++) {
        std::vector<int> others;
        for (size_t i = 0; i < atoms.size(); i++)
            if (i != k)
                others.push_back((int)i);
        potentials.clear();
        filter.AllPotentials(others, &potentials);
        std::string needle = ascii_of(atoms[k]);
        if (potentials.empty() && needle.size() > best.size())
            best = needle;
    }
    if (best.size() >= NEEDLE_BYTES_MIN)
        return { best };
    for (const auto &atom : atoms)
        out.push_back(ascii_of(atom));
    best = common_of(out);
    if (best.size() >= NEEDLE_BYTES_LONG || (best.size() >= NEEDLE_BYTES_MIN && out.size() > NEEDLES_FEW))
        return { best };
    for (const auto &needle : out)
        if (needle.size() < NEEDLE_BYTES_MIN || out.size() > NEEDLES_MAX)
            return {};
    return out;
}

extern "C" size_t regex_needles(const struct regex *re, struct arena *a, const struct slice **out, bool *is_nocase)
{
    bool folds = may_fold(*re->re), has_k = false, has_s = false;
    std::vector<std::string> needles = find_needles(*re->re);
    *out = nullptr;
    *is_nocase = folds || has_capital(re->re->pattern());
    if (re->prefix.size() >= NEEDLE_BYTES_MIN && needles.size() <= 1 && (needles.empty() || re->prefix.size() >= needles[0].size())) {
        needles = { re->prefix };
        folds = *is_nocase = false;
    }
    for (const auto &needle : needles) {
        has_k |= needle.find('k') != std::string::npos;
        has_s |= needle.find('s') != std::string::npos;
    }
    if (folds && has_k)
        needles.push_back("\u212a");
    if (folds && has_s)
        needles.push_back("\u017f");
    if (needles.empty())
        return 0;
    slice *list = (slice *)arena_alloc(a, needles.size() * sizeof(slice));
    for (size_t i = 0; i < needles.size(); i++)
        list[i] = arena_copy(a, slice{ needles[i].data(), needles[i].size() });
    *out = list;
    return needles.size();
}

extern "C" size_t regex_literals(const struct regex *re, const struct slice **out)
{
    *out = re->literal_slices.data();
    return re->literal_slices.size();
}
