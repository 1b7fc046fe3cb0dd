/*
 * The classes of JSON texts, one named case each: y_ must be accepted, n_ must be refused, i_ is
 * left open by RFC 8259 and settled here. They follow the grammar of RFC 8259, production by
 * production, and cover every class of the JSONTestSuite, in texts of our own. A text is read as
 * the whole, as the value of a key that no model has, as an item, and, where it is a number or a
 * string, into a member.
 *
 * One class is settled against that suite, which wants a key that is given twice accepted: we
 * refuse it, as a value that is wrong and not as a text that is broken.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/json_decode.h"

enum { WHOLE_MAX = 4096 };

typedef struct {
    double number;
    int64_t integer;
    weir_str string;
} value;
WEIR_MODEL(value, (number), (integer), (string));

static const struct {
    const char *name;
    weir_str text;
} cases[] = {
    /* §2, §5: arrays */
    {"y_array_empty", WEIR_S("[]")},
    {"y_array_blank_inside", WEIR_S("[ ]")},
    {"y_array_of_arrays", WEIR_S("[[]   ]")},
    {"y_array_of_empty_string", WEIR_S("[\"\"]")},
    {"y_array_ends_in_newline", WEIR_S("[\"a\"]\n")},
    {"y_array_false", WEIR_S("[false]")},
    {"y_array_mixed", WEIR_S("[null, 1, \"1\", {}]")},
    {"y_array_null", WEIR_S("[null]")},
    {"y_array_newline_before_end", WEIR_S("[1\n]")},
    {"y_array_blank_before", WEIR_S(" [1]")},
    {"y_array_several_nulls", WEIR_S("[1,null,null,null,2]")},
    {"y_array_blank_behind", WEIR_S("[2] ")},
    {"y_array_nested_20", WEIR_S("[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]")},
    {"y_array_blanks_everywhere", WEIR_S("\t[\r\n1 , [ 2 ]\n,3 ] ")},
    {"n_array_no_comma", WEIR_S("[1 true]")},
    {"n_array_word_and_bad_utf8", WEIR_S("[a\xe5]")},
    {"n_array_colon_for_comma", WEIR_S("[\"\": 1]")},
    {"n_array_comma_behind", WEIR_S("[\"\"],")},
    {"n_array_comma_first", WEIR_S("[,1]")},
    {"n_array_two_commas", WEIR_S("[1,,2]")},
    {"n_array_two_commas_last", WEIR_S("[\"x\",,]")},
    {"n_array_closed_twice", WEIR_S("[\"x\"]]")},
    {"n_array_comma_last", WEIR_S("[\"\",]")},
    {"n_array_not_closed", WEIR_S("[\"x\"")},
    {"n_array_not_closed_bad_value", WEIR_S("[x")},
    {"n_array_no_comma_before_array", WEIR_S("[3[4]]")},
    {"n_array_bad_utf8", WEIR_S("[\xff]")},
    {"n_array_semicolon_for_comma", WEIR_S("[1;2]")},
    {"n_array_colon_between_numbers", WEIR_S("[1:2]")},
    {"n_array_comma_alone", WEIR_S("[,]")},
    {"n_array_minus_alone", WEIR_S("[-]")},
    {"n_array_value_missing", WEIR_S("[   , \"\"]")},
    {"n_array_not_closed_on_lines", WEIR_S("[\"a\",\n4\n,1,")},
    {"n_array_number_and_comma", WEIR_S("[1,]")},
    {"n_array_number_and_commas", WEIR_S("[1,,]")},
    {"n_array_vertical_tab_in_string_form_feed", WEIR_S("[\"\va\"\\f]")},
    {"n_array_star", WEIR_S("[*]")},
    {"n_array_string_not_closed", WEIR_S("[\"\"")},
    {"n_array_not_closed_comma", WEIR_S("[1,")},
    {"n_array_not_closed_lines", WEIR_S("[1,\n1\n,1")},
    {"n_array_not_closed_object", WEIR_S("[{}")},
    {"n_array_closed_as_object", WEIR_S("[1}")},
    {"n_array_form_feed", WEIR_S("[\f]")},
    {"n_array_vertical_tab", WEIR_S("[\v1]")},
    {"n_array_word_joiner", WEIR_S("[\xe2\x81\xa0]")},
    {"n_array_comment", WEIR_S("[1/*x*/]")},
    /* §3: literal names, lower case and whole */
    {"y_literal_true", WEIR_S("true")},
    {"y_literal_false", WEIR_S("false")},
    {"y_literal_null", WEIR_S("null")},
    {"y_literal_all", WEIR_S("[true,false,null]")},
    {"n_literal_false_cut", WEIR_S("[fals]")},
    {"n_literal_null_cut", WEIR_S("[nul]")},
    {"n_literal_true_cut", WEIR_S("[tru]")},
    {"n_literal_capital", WEIR_S("[True]")},
    {"n_literal_upper", WEIR_S("NULL")},
    {"n_literal_longer", WEIR_S("[nulll]")},
    {"n_literal_true_longer", WEIR_S("truex")},
    {"n_literal_capital_list", WEIR_S("[True,False]")},
    {"n_literal_nan", WEIR_S("nan")},
    {"n_literal_undefined", WEIR_S("undefined")},
    {"n_literal_escaped", WEIR_S("\\u0074rue")},
    /* §4: objects */
    {"y_object_empty", WEIR_S("{}")},
    {"y_object_blank_inside", WEIR_S("{ }")},
    {"y_object_empty_key", WEIR_S("{\"\":0}")},
    {"y_object_of_array", WEIR_S("{\"a\":[]}")},
    {"y_object_two_members", WEIR_S("{\"asd\":\"sdf\", \"dfg\":\"fgh\"}")},
    {"y_object_nul_escaped_in_key", WEIR_S("{\"foo\\u0000bar\": 42}")},
    {"y_object_large_numbers", WEIR_S("{ \"min\": -1.0e+28, \"max\": 1.0e+28 }")},
    {"y_object_long_strings",
     WEIR_S("{\"x\":[{\"id\": \"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\"}], \"id\": \"x\"}")},
    {"y_object_on_lines", WEIR_S("{\n\"a\": \"b\"\n}")},
    {"y_object_escaped_letters",
     WEIR_S("{\"title\":\"\\u041f\\u043e\\u043b\\u0442\\u043e\\u0440\\u0430\" }")},
    {"y_object_blanks_everywhere", WEIR_S("\t{\r\n\"a\"\t:\r\n1 ,\"b\" : [ 1 , 2 ] } ")},
    {"y_object_mixed_nesting", WEIR_S("[{\"a\":[{\"b\":[]}]},{}]")},
    {"n_object_value_is_word", WEIR_S("{\"x\":truth}")},
    {"n_object_list_for_members", WEIR_S("[\"x\", truth]")},
    {"n_object_bracket_for_key", WEIR_S("{[: \"x\"}\n")},
    {"n_object_comma_for_colon", WEIR_S("{\"x\", null}")},
    {"n_object_two_colons", WEIR_S("{\"x\"::\"b\"}")},
    {"n_object_flags", WEIR_S("{\xf0\x9f\x87\xa8\xf0\x9f\x87\xad}")},
    {"n_object_more_behind_value", WEIR_S("{\"a\":\"a\" 123}")},
    {"n_object_quotes_single", WEIR_S("{key: 'value'}")},
    {"n_object_bad_utf8_in_key", WEIR_S("{\"\xb9\":\"0\",}")},
    {"n_object_no_colon", WEIR_S("{\"a\" b}")},
    {"n_object_no_key", WEIR_S("{:\"b\"}")},
    {"n_object_no_colon_string", WEIR_S("{\"a\" \"b\"}")},
    {"n_object_no_value", WEIR_S("{\"a\":")},
    {"n_object_value_left_out", WEIR_S("{\"a\":}")},
    {"n_object_key_alone", WEIR_S("{\"a\"")},
    {"n_object_number_key", WEIR_S("{1:1}")},
    {"n_object_large_number_key", WEIR_S("{9999E9999:1}")},
    {"n_object_null_keys", WEIR_S("{null:null,null:null}")},
    {"n_object_commas_last", WEIR_S("{\"id\":0,,,,,}")},
    {"n_object_single_quoted_key", WEIR_S("{'a':0}")},
    {"n_object_comma_last", WEIR_S("{\"id\":0,}")},
    {"n_object_comma_first", WEIR_S("{,\"a\":1}")},
    {"n_object_comment_behind", WEIR_S("{\"a\":\"b\"}/**/")},
    {"n_object_comment_open_behind", WEIR_S("{\"a\":\"b\"}/**//")},
    {"n_object_line_comment_behind", WEIR_S("{\"a\":\"b\"}//")},
    {"n_object_slash_behind", WEIR_S("{\"a\":\"b\"}/")},
    {"n_object_hash_behind", WEIR_S("{\"a\":\"b\"}#")},
    {"n_object_hash_and_object_behind", WEIR_S("{\"a\":\"b\"}#{}")},
    {"n_object_two_commas", WEIR_S("{\"a\":\"b\",,\"c\":\"d\"}")},
    {"n_object_bare_key", WEIR_S("{a: \"b\"}")},
    {"n_object_value_not_closed", WEIR_S("{\"a\":\"a")},
    {"n_object_string_without_value", WEIR_S("{ \"foo\" : \"bar\", \"a\" }")},
    {"n_object_word_behind", WEIR_S("{\"a\":true} x")},
    {"n_object_not_closed", WEIR_S("{\"asd\":\"asd\"")},
    {"n_object_no_comma", WEIR_S("{\"a\":1 \"b\":2}")},
    {"n_object_key_without_colon", WEIR_S("{\"a\"}")},
    {"n_object_closed_twice", WEIR_S("{}}")},
    {"n_object_closed_as_array", WEIR_S("{]")},
    {"n_object_member_closed_as_array", WEIR_S("{\"a\":1]")},
    {"n_object_comment_inside", WEIR_S("{\"a\":/*comment*/\"b\"}")},
    {"n_object_semicolon", WEIR_S("{\"a\":1;\"b\":2}")},
    /* §6: numbers */
    {"y_number_zero", WEIR_S("0")},
    {"y_number_minus_zero", WEIR_S("-0")},
    {"y_number_one_digit", WEIR_S("4")},
    {"y_number_blank_before", WEIR_S(" 4")},
    {"y_number_minus_one", WEIR_S("-1")},
    {"y_number_integer", WEIR_S("123")},
    {"y_number_negative", WEIR_S("-123")},
    {"y_number_exponent", WEIR_S("123e65")},
    {"y_number_zero_plus_exponent", WEIR_S("0e+1")},
    {"y_number_zero_exponent", WEIR_S("0e1")},
    {"y_number_digits_exponent", WEIR_S("20e1")},
    {"y_number_capital_e", WEIR_S("1E22")},
    {"y_number_capital_e_minus", WEIR_S("1E-2")},
    {"y_number_capital_e_plus", WEIR_S("1E+2")},
    {"y_number_e_minus", WEIR_S("1e-2")},
    {"y_number_e_plus", WEIR_S("1e+2")},
    {"y_number_fraction_exponent", WEIR_S("123.456e78")},
    {"y_number_fraction", WEIR_S("123.456")},
    {"y_number_half", WEIR_S("0.5")},
    {"y_number_minus_zero_fraction", WEIR_S("-0.0")},
    {"y_number_zeroes", WEIR_S("0.0e0")},
    {"y_number_exponent_zeroes", WEIR_S("1.0e00")},
    {"y_number_long_fraction", WEIR_S("123.456789")},
    {"y_number_underflow", WEIR_S("1e-400")},
    {"y_number_hundred_million", WEIR_S("100000000")},
    {"y_number_near_zero",
     WEIR_S("-0.0000000000000000000000000000000000000000000000000000000000001")},
    {"y_number_30_digits", WEIR_S("123123123123123123123123123123")},
    {"n_number_plus_plus", WEIR_S("++1234")},
    {"n_number_plus", WEIR_S("+1")},
    {"n_number_plus_inf", WEIR_S("+Inf")},
    {"n_number_minus_01", WEIR_S("-01")},
    {"n_number_two_points_last", WEIR_S("-1.0.")},
    {"n_number_minus_point", WEIR_S("-2.")},
    {"n_number_minus_nan", WEIR_S("-NaN")},
    {"n_number_minus_00_point", WEIR_S("-00.0")},
    {"n_number_minus_00_exponent", WEIR_S("-00e0")},
    {"n_number_00_point", WEIR_S("00.0")},
    {"n_number_00_exponent", WEIR_S("00e0")},
    {"n_number_point_minus", WEIR_S(".-1")},
    {"n_number_point_first_exponent", WEIR_S(".2e-3")},
    {"n_number_two_points", WEIR_S("0.1.2")},
    {"n_number_e_plus_alone", WEIR_S("0.3e+")},
    {"n_number_e_alone", WEIR_S("0.3e")},
    {"n_number_point_exponent", WEIR_S("0.e1")},
    {"n_number_capital_e_plus_alone", WEIR_S("0E+")},
    {"n_number_capital_e_alone", WEIR_S("0E")},
    {"n_number_zero_e_plus", WEIR_S("0e+")},
    {"n_number_zero_e", WEIR_S("0e")},
    {"n_number_real_e_plus", WEIR_S("1.0e+")},
    {"n_number_real_e_minus", WEIR_S("1.0e-")},
    {"n_number_real_e", WEIR_S("1.0e")},
    {"n_number_blank_inside", WEIR_S("1 000.0")},
    {"n_number_two_es", WEIR_S("1eE2")},
    {"n_number_point_e_plus", WEIR_S("2.e+3")},
    {"n_number_point_e_minus", WEIR_S("2.e-3")},
    {"n_number_point_e", WEIR_S("2.e3")},
    {"n_number_point_e_plus_alone", WEIR_S("9.e+")},
    {"n_number_inf", WEIR_S("Inf")},
    {"n_number_nan", WEIR_S("NaN")},
    {"n_number_full_width_digit", WEIR_S("\xef\xbc\x91")},
    {"n_number_sum", WEIR_S("1+2")},
    {"n_number_hex_one", WEIR_S("0x1")},
    {"n_number_hex_two", WEIR_S("0x42")},
    {"n_number_binary", WEIR_S("0b1")},
    {"n_number_infinity", WEIR_S("Infinity")},
    {"n_number_two_signs", WEIR_S("0e+-1")},
    {"n_number_word_behind_real", WEIR_S("-123.123foo")},
    {"n_number_bad_utf8_behind", WEIR_S("123\xe5")},
    {"n_number_bad_utf8_in_exponent", WEIR_S("1e1\xe5")},
    {"n_number_bad_utf8_behind_zero", WEIR_S("0\xe5")},
    {"n_number_bad_utf8_behind_e", WEIR_S("1e\xe5")},
    {"n_number_minus_alone", WEIR_S("-")},
    {"n_number_minus_infinity", WEIR_S("-Infinity")},
    {"n_number_minus_word", WEIR_S("-foo")},
    {"n_number_minus_blank", WEIR_S("- 1")},
    {"n_number_minus_012", WEIR_S("-012")},
    {"n_number_minus_point_first", WEIR_S("-.123")},
    {"n_number_letter_behind", WEIR_S("-1x")},
    {"n_number_letter_behind_e", WEIR_S("1ea")},
    {"n_number_point_last", WEIR_S("1.")},
    {"n_number_point_first", WEIR_S(".123")},
    {"n_number_letter_inside", WEIR_S("1.2a-3")},
    {"n_number_other_exponent", WEIR_S("1.8011670033376514H-308")},
    {"n_number_leading_zero", WEIR_S("012")},
    {"n_number_two_zeroes", WEIR_S("00")},
    {"n_number_underscore", WEIR_S("1_000")},
    {"n_number_comma", WEIR_S("1,5")},
    {"n_number_fraction_in_exponent", WEIR_S("1e1.5")},
    {"n_number_two_minuses", WEIR_S("--1")},
    {"n_number_minus_behind", WEIR_S("1-")},
    {"n_number_nul_behind", WEIR_S("123\x00")},
    /* §6: numbers that JSON allows and a double or an integer may not hold: accepted where nobody
     * asks for the value, and no error of syntax where somebody does */
    {"i_number_exponent_far_below", WEIR_S("123.456e-789")},
    {"i_number_exponent_of_66_digits",
     WEIR_S("0.4e00669696969696969696969696969696969696969696969696969696969696906")},
    {"i_number_minus_overflow", WEIR_S("-1e+9999")},
    {"i_number_overflow", WEIR_S("1.5e+9999")},
    {"i_number_real_overflow", WEIR_S("123123e100000")},
    {"i_number_real_minus_overflow", WEIR_S("-123123e100000")},
    {"i_number_real_underflow", WEIR_S("123e-10000000")},
    {"i_number_negative_30_digits", WEIR_S("-123123123123123123123123123123")},
    {"i_number_21_digits", WEIR_S("100000000000000000000")},
    {"i_number_negative_40_digits", WEIR_S("-2374237423742374237423742374237423742374")},
    /* §7: strings */
    {"y_string_empty", WEIR_S("\"\"")},
    {"y_string_letters", WEIR_S("\"asd\"")},
    {"y_string_blank", WEIR_S("\" \"")},
    {"y_string_blanks_around", WEIR_S("\" asd \"")},
    {"y_string_quote_escaped", WEIR_S("\"\\\"\"")},
    {"y_string_backslash_escaped", WEIR_S("\"\\\\\"")},
    {"y_string_slash_escaped", WEIR_S("\"\\/\"")},
    {"y_string_all_escapes", WEIR_S("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"")},
    {"y_string_unicode_escapes", WEIR_S("\"\\u0060\\u012a\\u12AB\"")},
    {"y_string_surrogates", WEIR_S("\"\\uD801\\udc37\"")},
    {"y_string_two_pairs", WEIR_S("\"\\ud83d\\ude39\\ud83d\\udc8d\"")},
    {"y_string_clef_escaped", WEIR_S("\"\\uD834\\uDd1e\"")},
    {"y_string_last_pair", WEIR_S("\"\\uDBFF\\uDFFF\"")},
    {"y_string_backslash_before_u0000", WEIR_S("\"\\\\u0000\"")},
    {"y_string_nul_escaped", WEIR_S("\"\\u0000\"")},
    {"y_string_comments", WEIR_S("\"a/*b*/c/*d//e\"")},
    {"y_string_backslash_a", WEIR_S("\"\\\\a\"")},
    {"y_string_backslash_n", WEIR_S("\"\\\\n\"")},
    {"y_string_control_escaped", WEIR_S("\"\\u0012\"")},
    {"y_string_noncharacter_escaped", WEIR_S("\"\\uFFFF\"")},
    {"y_string_fdd0_escaped", WEIR_S("\"\\uFDD0\"")},
    {"y_string_fffe_escaped", WEIR_S("\"\\uFFFE\"")},
    {"y_string_1fffe_escaped", WEIR_S("\"\\uD83F\\uDFFE\"")},
    {"y_string_10fffe_escaped", WEIR_S("\"\\uDBFF\\uDFFE\"")},
    {"y_string_zero_width_escaped", WEIR_S("\"\\u200B\"")},
    {"y_string_invisible_plus_escaped", WEIR_S("\"\\u2064\"")},
    {"y_string_hard_blank_escaped", WEIR_S("\"new\\u00A0line\"")},
    {"y_string_comma_escaped", WEIR_S("\"\\u002c\"")},
    {"y_string_backslash_as_u005c", WEIR_S("\"\\u005C\"")},
    {"y_string_quote_as_u0022", WEIR_S("\"\\u0022\"")},
    {"y_string_newline_as_u000a", WEIR_S("\"new\\u000Aline\"")},
    {"y_string_mixed_hex", WEIR_S("\"\\u0061\\u30af\\u30EA\\u30b9\"")},
    {"y_string_two_bytes", WEIR_S("\"\xcf\x80\"")},
    {"y_string_three_bytes", WEIR_S("\"\xe2\x82\xac\"")},
    {"y_string_four_bytes", WEIR_S("\"\xf0\x9d\x84\x9e\"")},
    {"y_string_last_code_point", WEIR_S("\"\xf4\x8f\xbf\xbf\"")},
    {"y_string_ffff", WEIR_S("\"\xef\xbf\xbf\"")},
    {"y_string_1bfff", WEIR_S("\"\xf0\x9b\xbf\xbf\"")},
    {"y_string_line_separators", WEIR_S("\"\xe2\x80\xa8 \xe2\x80\xa9\"")},
    {"y_string_delete", WEIR_S("\"\x7f\"")},
    {"y_string_delete_inside", WEIR_S("\"a\x7f"
                                      "a\"")},
    {"y_string_long_with_escape",
     WEIR_S(
         "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\\naaaaaaaaaaaaaaaaaaaaaaaaaaaa\"")},
    {"y_string_long_and_wide",
     WEIR_S(
         "\"\xe3\x81\x82\xe3\x81\x82\xe3\x81\x82\xe3\x81\x82\xe3\x81\x82 long and mixed text\"")},
    {"y_string_surrogate_neighbours", WEIR_S("\"\xed\x9f\xbf\xee\x80\x80\"")},
    {"n_string_half_pair_and_backslash", WEIR_S("\"\\uD800\\\"")},
    {"n_string_half_pair_and_u", WEIR_S("\"\\uD800\\u\"")},
    {"n_string_half_pair_and_u1", WEIR_S("\"\\uD800\\u1\"")},
    {"n_string_half_pair_and_u1x", WEIR_S("\"\\uD800\\u1x\"")},
    {"n_string_letter_without_quotes", WEIR_S("\xc3\xa9")},
    {"n_string_backslash_nul", WEIR_S("\"\\\x00\"")},
    {"n_string_escape_x", WEIR_S("\"\\x00\"")},
    {"n_string_backslash_odd", WEIR_S("\"\\\\\\\"")},
    {"n_string_backslash_tab", WEIR_S("\"\\\t\"")},
    {"n_string_backslash_emoji", WEIR_S("\"\\\xf0\x9f\x8c\x80\"")},
    {"n_string_backslash_last", WEIR_S("\"\\\"")},
    {"n_string_three_hex_digits", WEIR_S("\"\\u00A\"")},
    {"n_string_pair_cut", WEIR_S("\"\\uD834\\uDd\"")},
    {"n_string_pair_and_escape_x", WEIR_S("\"\\uD800\\uD800\\x\"")},
    {"n_string_bad_utf8_in_escape", WEIR_S("\"\\u\xe5\"")},
    {"n_string_escape_a", WEIR_S("\"\\a\"")},
    {"n_string_escape_v", WEIR_S("\"\\v\"")},
    {"n_string_escape_quote", WEIR_S("\"\\'\"")},
    {"n_string_escape_zero", WEIR_S("\"\\0\"")},
    {"n_string_escape_octal", WEIR_S("\"\\123\"")},
    {"n_string_escape_q", WEIR_S("\"\\uqqqq\"")},
    {"n_string_escape_u_alone", WEIR_S("\"\\u\"")},
    {"n_string_escape_u_blank", WEIR_S("\"\\u 123\"")},
    {"n_string_escape_u_sign", WEIR_S("\"\\u+123\"")},
    {"n_string_bad_utf8_behind_escape", WEIR_S("\"\\\xe5\"")},
    {"n_string_escape_before_quotes", WEIR_S("\\u0020\"asd\"")},
    {"n_string_escape_without_quotes", WEIR_S("\\n")},
    {"n_string_quote_alone", WEIR_S("\"")},
    {"n_string_quotes_single", WEIR_S("'single quote'")},
    {"n_string_no_quotes", WEIR_S("abc")},
    {"n_string_not_closed_escape", WEIR_S("\"\\")},
    {"n_string_not_closed", WEIR_S("\"abc")},
    {"n_string_nul_inside", WEIR_S("\"a\x00"
                                   "a\"")},
    {"n_string_newline_inside", WEIR_S("\"new\nline\"")},
    {"n_string_tab_inside", WEIR_S("\"\t\"")},
    {"n_string_unit_separator_inside", WEIR_S("\"\x1f\"")},
    {"n_string_control_far_inside",
     WEIR_S("\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\x01 aaaaaaaaaaaaaaaaaaaaaaaaaaa\"")},
    {"n_string_escape_capital_u", WEIR_S("\"\\U0041\"")},
    {"n_string_more_behind", WEIR_S("\"\"x")},
    {"n_string_two", WEIR_S("\"a\" \"b\"")},
    /* §7, §8: strings that name no Unicode text; RFC 8259 leaves them open, we refuse them all */
    {"i_string_half_pair_missing", WEIR_S("\"\\uDADA\"")},
    {"i_string_half_pair_letters", WEIR_S("\"\\uD800abc\"")},
    {"i_string_half_pair_other", WEIR_S("\"\\uD888\\u1234\"")},
    {"i_string_half_pair_escape", WEIR_S("\"\\ud800\\n\"")},
    {"i_string_two_high_halves", WEIR_S("\"\\uD800\\uD800\\n\"")},
    {"i_string_low_half_first", WEIR_S("\"\\uDd1ea\"")},
    {"i_string_low_half_alone", WEIR_S("\"\\uDC00\"")},
    {"i_string_low_half_alone_other", WEIR_S("\"\\uDFAA\"")},
    {"i_string_pair_inverted", WEIR_S("\"\\uDd1e\\uD834\"")},
    {"i_string_high_half_alone", WEIR_S("\"\\uD800\"")},
    {"i_string_surrogate_in_utf8", WEIR_S("\"\xed\xa0\x80\"")},
    {"i_string_byte_ff", WEIR_S("\"\xff\"")},
    {"i_string_byte_cut", WEIR_S("\"\xe0\xff\"")},
    {"i_string_latin_1", WEIR_S("\"\xe9\"")},
    {"i_string_latin_1_far_inside", WEIR_S("\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\xe9\"")},
    {"i_string_mixed_with_koi8", WEIR_S("\"\xe6\x97\xa5\xd1\x88\xfa\"")},
    {"i_string_continuation_alone", WEIR_S("\"\x81\"")},
    {"i_string_past_unicode", WEIR_S("\"\xf4\xbf\xbf\xbf\"")},
    {"i_string_past_unicode_by_one", WEIR_S("\"\xf4\x90\x80\x80\"")},
    {"i_string_overlong_2", WEIR_S("\"\xc0\xaf\"")},
    {"i_string_overlong_3", WEIR_S("\"\xe0\x80\xaf\"")},
    {"i_string_overlong_5", WEIR_S("\"\xf8\x88\x80\x80\x80\"")},
    {"i_string_overlong_6", WEIR_S("\"\xfc\x83\xbf\xbf\xbf\xbf\"")},
    {"i_string_overlong_nul", WEIR_S("\"\xfc\x80\x80\x80\x80\x80\"")},
    {"i_object_key_low_half", WEIR_S("{\"\\uDFAA\":0}")},
    {"i_object_key_latin_1", WEIR_S("{\"\xe9\":0}")},
    /* §2, §8.1: whole texts */
    {"y_structure_false", WEIR_S("false")},
    {"y_structure_integer", WEIR_S("42")},
    {"y_structure_negative_real", WEIR_S("-0.1")},
    {"y_structure_null", WEIR_S("null")},
    {"y_structure_string", WEIR_S("\"asd\"")},
    {"y_structure_true", WEIR_S("true")},
    {"y_structure_empty_string", WEIR_S("\"\"")},
    {"y_structure_newline_behind", WEIR_S("[\"a\"]\n")},
    {"y_structure_blanks_around", WEIR_S(" [] ")},
    {"y_structure_all_blanks", WEIR_S("\t\n\r []\r\n\t ")},
    {"n_structure_nothing", WEIR_S("")},
    {"n_structure_blank_alone", WEIR_S(" ")},
    {"n_structure_bom_alone", WEIR_S("\xef\xbb\xbf")},
    {"n_structure_bom_cut", WEIR_S("\xef\xbb{}")},
    {"n_structure_angles", WEIR_S("<.>")},
    {"n_structure_angle_null", WEIR_S("[<null>]")},
    {"n_structure_array_and_letter", WEIR_S("[1]x")},
    {"n_structure_array_string_open", WEIR_S("[\"asd]")},
    {"n_structure_ascii_and_latin", WEIR_S("a\xe5")},
    {"n_structure_end_alone", WEIR_S("1]")},
    {"n_structure_comma_for_brace", WEIR_S("{\"x\": true,")},
    {"n_structure_two_arrays", WEIR_S("[][]")},
    {"n_structure_bracket_alone", WEIR_S("]")},
    {"n_structure_open_alone", WEIR_S("[")},
    {"n_structure_bad_utf8_alone", WEIR_S("\xe5")},
    {"n_structure_nul_alone", WEIR_S("\x00")},
    {"n_structure_nul_in_array", WEIR_S("[1\x00]")},
    {"n_structure_nul_in_array_alone", WEIR_S("[\x00]")},
    {"n_structure_number_and_at", WEIR_S("2@")},
    {"n_structure_object_without_value", WEIR_S("{\"\":")},
    {"n_structure_apostrophe", WEIR_S("['")},
    {"n_structure_open_comma", WEIR_S("[,")},
    {"n_structure_open_object", WEIR_S("[{")},
    {"n_structure_open_string", WEIR_S("[\"a")},
    {"n_structure_string_open_bracket", WEIR_S("[\"a\"")},
    {"n_structure_brace_alone", WEIR_S("{")},
    {"n_structure_brace_bracket", WEIR_S("{[")},
    {"n_structure_brace_close_bracket", WEIR_S("{]")},
    {"n_structure_brace_comma", WEIR_S("{,")},
    {"n_structure_brace_string_open", WEIR_S("{\"a")},
    {"n_structure_brace_apostrophes", WEIR_S("{'a'")},
    {"n_structure_open_and_backslashes", WEIR_S("[\"\\{[\"\\{[\"\\{[\"\\{")},
    {"n_structure_letter_alone", WEIR_S("\xe9")},
    {"n_structure_star", WEIR_S("*")},
    {"n_structure_escape_before_string", WEIR_S("[\\u000A\"\"]")},
    {"n_structure_array_not_closed", WEIR_S("[1")},
    {"n_structure_null_cut", WEIR_S("[ false, nul")},
    {"n_structure_false_cut", WEIR_S("[ true, fals")},
    {"n_structure_true_cut", WEIR_S("[ false, tru")},
    {"n_structure_identifier", WEIR_S("\xc3\xa5")},
    {"n_structure_hard_blank_before", WEIR_S("\xc2\xa0{}")},
    {"n_structure_word", WEIR_S("abc")},
    /* §8.1, §9: other encodings and limits, which RFC 8259 leaves open; we refuse them */
    {"i_structure_bom", WEIR_S("\xef\xbb\xbf{}")},
    {"i_structure_utf16_le_with_bom", WEIR_S("\xff\xfe[\x00\"\x00\xe9\x00\"\x00]\x00")},
    {"i_structure_utf16_be", WEIR_S("\x00[\x00\"\x00\xe9\x00\"\x00]")},
    {"i_structure_utf16_le", WEIR_S("[\x00\"\x00\xe9\x00\"\x00]\x00")},
};

static struct weir__arena arena;
static weir_json_errors errors;
static value out;

/* ---- reading ---- */

enum outcome { READ, WRONG, BROKEN };

/* Reads a copy that ends where its memory ends. */
static enum outcome outcome_of(weir_str text)
{
    char *copy = malloc(text.len != 0 ? text.len : 1);
    assert_non_null(copy);
    memcpy(copy, text.ptr, text.len);
    weir__arena_fini(&arena); /* the messages of the last text lived up to here */
    weir__arena_init(&arena, NULL, 0, 1 << 20);
    weir_err err = weir__json_decode(&arena, (weir_str){copy, text.len}, weir_model_of(value), &out,
                                     NULL, &errors);
    free(copy);
    if (err == WEIR_OK)
        return READ;
    assert_int_equal(err, WEIR_EINVALID);
    bool is_broken = weir_str_starts(errors.items[0].message, WEIR_S("is not JSON: "));
    assert_true(!is_broken || errors.total == 1);
    return is_broken ? BROKEN : WRONG;
}

/* The text between two others, and how that is read. */
static enum outcome within(const char *before, weir_str text, const char *behind)
{
    char whole[WHOLE_MAX];
    size_t n = strlen(before), m = strlen(behind);
    assert_true(n + text.len + m <= sizeof whole);
    memcpy(whole, before, n);
    if (text.len > 0)
        memcpy(whole + n, text.ptr, text.len);
    memcpy(whole + n + text.len, behind, m);
    return outcome_of((weir_str){whole, n + text.len + m});
}

static void expect(const char *name, const char *where, enum outcome got, enum outcome wanted)
{
    static const char *const words[] = {"read", "wrong", "broken"};
    if (got != wanted)
        fail_msg("%s %s is %s, not %s: " WEIR_STR_FMT, name, where, words[got], words[wanted],
                 WEIR_STR_ARG(errors.items[0].message));
}

static bool is_of(const char *name, const char *class_name)
{
    return strncmp(name, class_name, strlen(class_name)) == 0;
}

/* ---- the classes ---- */

/* Alone, only objects are what the model wants; all else is JSON of the wrong type. */
static void check_accepted(const char *name, weir_str text)
{
    weir_str trimmed = weir_str_trim(text);
    expect(name, "alone", outcome_of(text), trimmed.ptr[0] == '{' ? READ : WRONG);
    expect(name, "as a value", within("{\"unknown\":", text, "}"), READ);
    expect(name, "as an item", within("{\"unknown\":[0,", text, ",0]}"), READ);
    if (is_of(name, "y_number_"))
        expect(name, "as a number", within("{\"number\":", text, "}"), READ);
    if (is_of(name, "y_string_"))
        expect(name, "as a string", within("{\"string\":", text, "}"), READ);
}

static void check_refused(const char *name, weir_str text)
{
    expect(name, "alone", outcome_of(text), BROKEN);
    expect(name, "as a value", within("{\"unknown\":", text, "}"), BROKEN);
    expect(name, "as a number", within("{\"number\":", text, "}"), BROKEN);
    expect(name, "as a string", within("{\"string\":", text, "}"), BROKEN);
}

/* The grammar has no largest number; a member has. */
static void check_large_number(const char *name, weir_str text)
{
    char digits[WHOLE_MAX];
    memcpy(digits, text.ptr, text.len);
    digits[text.len] = '\0';
    double v = strtod(digits, NULL);
    expect(name, "as a value", within("{\"unknown\":", text, "}"), READ);
    expect(name, "as an integer", within("{\"integer\":", text, "}"), WRONG);
    expect(name, "as a number", within("{\"number\":", text, "}"), isfinite(v) ? READ : WRONG);
    if (isfinite(v))
        assert_memory_equal(&out.number, &v, sizeof v);
}

static void check(const char *name, weir_str text)
{
    if (is_of(name, "y_"))
        check_accepted(name, text);
    else if (is_of(name, "i_number_"))
        check_large_number(name, text);
    else
        check_refused(name, text);
}

static void every_class_is_settled(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        check(cases[i].name, cases[i].text);
}

/* `count` times `open`, then as often `close`. */
static weir_str nested(const char *open, const char *close, size_t count)
{
    static char text[WHOLE_MAX];
    size_t n = 0;
    for (size_t i = 0; i < count; i++, n += strlen(open))
        memcpy(text + n, open, strlen(open));
    for (size_t i = 0; i < count; i++, n += strlen(close))
        memcpy(text + n, close, strlen(close));
    return (weir_str){text, n};
}

static void nesting_has_a_limit(void **state)
{
    (void)state;
    check("n_structure_2000_open_brackets", nested("[", "", 2000));
    check("n_structure_500_open_pairs", nested("[{\"\":", "", 500));
    check("i_structure_500_deep", nested("[", "]", 500));
    check("i_structure_65_deep", nested("[", "]", 65));
    /* 64 as the whole; inside an object and an array there is room for 62. */
    assert_int_equal(outcome_of(nested("[", "]", 64)), WRONG);
    check("y_structure_62_deep", nested("[", "]", 62));
    check("y_structure_30_pairs_deep", nested("[{\"a\":[]},[", "]]", 30));
}

static void a_key_given_twice_is_wrong_and_not_broken(void **state)
{
    (void)state;
    static const weir_str texts[] = {
        WEIR_S("{\"a\":\"b\",\"a\":\"c\"}"),
        WEIR_S("{\"a\":\"b\",\"a\":\"b\"}"),
        WEIR_S("{\"number\":1,\"number\":1}"),
        WEIR_S("{\"\":0,\"\":0}"),
        WEIR_S("{\"a\":1,\"\\u0061\":2}"),
        WEIR_S("{\"u\":{\"a\":1,\"a\":2}}"),
        WEIR_S("{\"u\":[[{\"a\":1,\"b\":2,\"a\":3}]]}"),
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        assert_int_equal(outcome_of(texts[i]), WRONG);
        assert_non_null(strstr(errors.items[0].message.ptr, "twice"));
    }
    assert_int_equal(outcome_of(WEIR_S("{\"u\":[{\"a\":1},{\"a\":1}],\"a\":{\"a\":1}}")), READ);
}

static int end_arena(void **state)
{
    (void)state;
    weir__arena_fini(&arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_class_is_settled),
        cmocka_unit_test(nesting_has_a_limit),
        cmocka_unit_test(a_key_given_twice_is_wrong_and_not_broken),
    };
    return cmocka_run_group_tests(tests, NULL, end_arena);
}
