-module(chameneos).
-export([main/2, creature/2]).

main(Creatures, Meetings) ->
    Me = self(),
    [spawn_link(?MODULE, creature, [Me, N rem 3]) || N <- lists:seq(0, Creatures - 1)],
    mall(Meetings),
    [receive {meet, Pid, _} -> Pid ! closed end || _ <- lists:seq(1, Creatures)],
    lists:sum([receive Met when is_integer(Met) -> Met end || _ <- lists:seq(1, Creatures)]).

mall(0) -> ok;
mall(Left) ->
    receive
        {meet, One, _} ->
            receive
                {meet, Other, Colour} -> One ! {meet, Other, Colour}
            end
    end,
    mall(Left - 1).

creature(Mall, Colour) ->
    Mall ! {meet, self(), Colour},
    living(Mall, Colour, 0).

living(Mall, Colour, Met) ->
    receive
        {meet, Other, Its} ->
            New = complement(Colour, Its),
            Other ! {change, New},
            Mall ! {meet, self(), New},
            living(Mall, New, Met + 1);
        {change, New} ->
            Mall ! {meet, self(), New},
            living(Mall, New, Met + 1);
        closed ->
            Mall ! Met
    end.

complement(Same, Same) -> Same;
complement(One, Other) -> 3 - One - Other.
