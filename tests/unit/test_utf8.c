/* Characters of UTF-8, whole ones only. */
#include <criterion/criterion.h>

#include "base/text.h"

Test(utf8, a_character_has_a_length_and_what_is_none_has_not)
{
	cr_expect_eq(utf8_length("a"), 1);
	cr_expect_eq(utf8_length(""), 1);
	cr_expect_eq(utf8_length("\xc3\xbc"), 2);
	cr_expect_eq(utf8_length("\xe2\x82\xac"), 3);
	cr_expect_eq(utf8_length("\xf0\x9f\x90\x98"), 4);
	cr_expect_eq(utf8_length("\xff"), 0);
	cr_expect_eq(utf8_length("\xbc"), 0);
	cr_expect_eq(utf8_length("\xc3"), 0);
	cr_expect_eq(utf8_length("\xc0\xaf"), 0, "overlong");
	cr_expect_eq(utf8_length("\xed\xa0\x80"), 0, "a surrogate");
	cr_expect_eq(utf8_length("\xf4\x90\x80\x80"), 0, "above U+10FFFF");
}

Test(utf8, a_cut_is_between_characters)
{
	cr_expect_eq(utf8_cut("ab", 5), 2);
	cr_expect_eq(utf8_cut("ab", 1), 1);
	cr_expect_eq(utf8_cut("\xc3\xbc\xc3\xbc", 3), 2);
	cr_expect_eq(utf8_cut("\xc3\xbc\xc3\xbc", 4), 4);
	cr_expect_eq(utf8_cut("\xff\xff", 1), 1);
	cr_expect_eq(utf8_cut("\xc3\xbc", 1), 0);
}
