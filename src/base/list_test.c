/* Intrusive lists: order, removal while visiting, splicing, nodes that are on no list. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/list.h"

struct node {
    int n;
    struct weir__list link; /* head */
};

static struct weir__list head;
static struct node nodes[5];

static int setup(void **state)
{
    (void)state;
    weir__list_init(&head);
    for (int i = 0; i < 5; i++) {
        nodes[i].n = i;
        weir__list_init(&nodes[i].link);
    }
    return 0;
}

/* The list's numbers as digits, read forwards; asserts that backwards is the same. */
static int digits(struct weir__list *list)
{
    int forwards = 0, backwards = 0, place = 1;
    WEIR_LIST_EACH(l, list)
        forwards = forwards * 10 + WEIR_CONTAINER(l, struct node, link)->n;
    for (struct weir__list *l = list->prev; l != list; l = l->prev, place *= 10)
        backwards += WEIR_CONTAINER(l, struct node, link)->n * place;
    assert_int_equal(forwards, backwards);
    return forwards;
}

static void both_ends_take_nodes(void **state)
{
    (void)state;
    assert_true(weir__list_empty(&head));
    assert_null(weir__list_pop_front(&head));
    weir__list_push_back(&head, &nodes[2].link);
    weir__list_push_back(&head, &nodes[3].link);
    weir__list_push_front(&head, &nodes[1].link);
    assert_int_equal(digits(&head), 123);
    assert_ptr_equal(weir__list_pop_front(&head), &nodes[1].link);
    assert_true(weir__list_empty(&nodes[1].link));
    assert_int_equal(digits(&head), 23);
}

static void another_takes_a_place(void **state)
{
    (void)state;
    for (int i = 1; i < 4; i++)
        weir__list_push_back(&head, &nodes[i].link);
    nodes[4].link = nodes[2].link; /* whatever its bytes are */
    weir__list_replace(&nodes[2].link, &nodes[4].link);
    assert_int_equal(digits(&head), 143);
    assert_true(weir__list_empty(&nodes[2].link));
    weir__list_replace(&nodes[2].link, &nodes[0].link); /* on no list: neither is the other */
    assert_true(weir__list_empty(&nodes[0].link));
    assert_int_equal(digits(&head), 143);
}

static void removing_twice_does_nothing(void **state)
{
    (void)state;
    for (int i = 1; i < 5; i++)
        weir__list_push_back(&head, &nodes[i].link);
    weir__list_remove(&nodes[3].link);
    weir__list_remove(&nodes[3].link);
    weir__list_remove(&nodes[0].link);
    assert_int_equal(digits(&head), 124);
}

static void the_visited_node_may_go(void **state)
{
    (void)state;
    for (int i = 1; i < 5; i++)
        weir__list_push_back(&head, &nodes[i].link);
    WEIR_LIST_EACH(l, &head) {
        if (WEIR_CONTAINER(l, struct node, link)->n % 2 == 0)
            weir__list_remove(l);
    }
    assert_int_equal(digits(&head), 13);
}

static void splicing_moves_all(void **state)
{
    (void)state;
    struct weir__list other;
    weir__list_init(&other);
    weir__list_push_back(&head, &nodes[1].link);
    weir__list_splice_back(&head, &other);
    assert_int_equal(digits(&head), 1);
    weir__list_push_back(&other, &nodes[2].link);
    weir__list_push_back(&other, &nodes[3].link);
    weir__list_splice_back(&head, &other);
    assert_int_equal(digits(&head), 123);
    assert_true(weir__list_empty(&other));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(both_ends_take_nodes, setup),
        cmocka_unit_test_setup(another_takes_a_place, setup),
        cmocka_unit_test_setup(removing_twice_does_nothing, setup),
        cmocka_unit_test_setup(the_visited_node_may_go, setup),
        cmocka_unit_test_setup(splicing_moves_all, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
